"""HierarchicalClassifier: modalities fused at every depth of their encoders."""

from __future__ import annotations

from graphfuse.estimators.hierarchical_network import HierarchicalNetwork
from graphfuse.estimators.subject_system import SubjectSystem


class HierarchicalClassifier(SubjectSystem):
    """Hierarchical fusion: one fusion after each layer of the encoders, a trunk through them, a head at each depth.

    A missing modality drops out of the fusion at every depth; see `HierarchicalNetwork` for the equations.

    Parameters
    ----------
    views, signals
        As in `SubjectSystem`.
    fusion, hidden, width, bidirectional, conv, readout, dropout, weight
        As in `HierarchicalNetwork`.
    learning_rate, weight_decay, epochs, patience, batch_size, validation, members, random_state
        See `Recipe`.

    Attributes
    ----------
    views_, shapes_, network_, history_
        As of `SubjectSystem`.

    References
    ----------
    Li et al. (2024). A review of deep learning-based information fusion techniques for multimodal medical image
    classification. arXiv:2404.15022 (hierarchical fusion). The layers and the loss are ours.
    """

    def __init__(
        self,
        views=None,
        fusion="gated",
        hidden=(32, 32),
        width=32,
        bidirectional=True,
        conv="gcn",
        readout="flatten",
        dropout=0.3,
        weight=0.3,
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
        self.hidden = hidden
        self.width = width
        self.bidirectional = bidirectional
        self.conv = conv
        self.readout = readout
        self.dropout = dropout
        self.weight = weight
        self.signals = signals
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.validation = validation
        self.members = members
        self.random_state = random_state

    def _network(self) -> HierarchicalNetwork:
        return HierarchicalNetwork(
            self.shapes_,
            len(self.classes_),
            fusion=self.fusion,
            hidden=self.hidden,
            width=self.width,
            bidirectional=self.bidirectional,
            conv=self.conv,
            readout=self.readout,
            dropout=self.dropout,
            weight=self.weight,
        )
