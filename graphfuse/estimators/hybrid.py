"""HybridFusion: features fused before one head, modalities each before their own, and all the heads' answers fused."""

from __future__ import annotations

from graphfuse.estimators.hybrid_network import HybridNetwork
from graphfuse.estimators.subject_system import SubjectSystem


class HybridFusion(SubjectSystem):
    """Hybrid fusion: early for what the modalities say together, late for what each says alone.

    One network (`HybridNetwork`): the encoders' embeddings are fused before a head, every modality keeps a head of its
    own, and an output rule makes one answer of them all. A missing modality drops out of both. The fused head shares
    its evidence with the others, so that the rules which assume independence (``bayes``, ``dempster-shafer``) are too
    sure here; the temperature, fitted on inner validation subjects, takes much of that back.

    Parameters
    ----------
    views, signals
        As in `SubjectSystem`.
    fusion, output, output_options, together, head_weight, width, dropout, conv, hidden, readout
        As in `HybridNetwork` and `RoleEncoder`. The pair of strategies and the weights are what to tune.
    learning_rate, weight_decay, epochs, patience, batch_size, validation, members, random_state
        See `Recipe`.

    Attributes
    ----------
    views_, shapes_, network_, history_
        As of `SubjectSystem`.

    References
    ----------
    Baltrusaitis, Ahuja and Morency (2019). Multimodal machine learning: a survey and taxonomy. IEEE TPAMI 41:423-443
    (hybrid fusion, section 6.1). The layers and the loss are ours.
    """

    def __init__(
        self,
        views=None,
        fusion="gated",
        output="mean",
        output_options=None,
        together=None,
        head_weight=0.3,
        width=32,
        conv="gcn",
        hidden=(32,),
        readout="flatten",
        dropout=0.3,
        signals=None,
        learning_rate=1e-3,
        weight_decay=1e-2,
        epochs=100,
        patience=15,
        batch_size=64,
        validation=0.15,
        members=3,
        random_state=0,
    ):
        self.views = views
        self.fusion = fusion
        self.output = output
        self.output_options = output_options
        self.together = together
        self.head_weight = head_weight
        self.width = width
        self.conv = conv
        self.hidden = hidden
        self.readout = readout
        self.dropout = dropout
        self.signals = signals
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.validation = validation
        self.members = members
        self.random_state = random_state

    def _network(self) -> HybridNetwork:
        return HybridNetwork(
            self.shapes_,
            len(self.classes_),
            fusion=self.fusion,
            output=self.output,
            output_options=self.output_options,
            together=self.together,
            head_weight=self.head_weight,
            width=self.width,
            dropout=self.dropout,
            conv=self.conv,
            hidden=self.hidden,
            readout=self.readout,
        )
