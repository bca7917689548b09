import numpy as np

from graphfuse.estimators.imputation.mean import MeanImputation


def test_the_mean_is_that_of_the_training_people_who_have_it():
    blocks = {"v": np.array([[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]])}
    present = {"v": np.array([True, True, False])}
    imputer = MeanImputation()
    np.testing.assert_array_equal(imputer.fit_transform(blocks, present)["v"], [[1, 2], [3, 6], [2, 4]])
    new = imputer.transform({"v": np.array([[9.0, 9.0], [7.0, 7.0]])}, {"v": np.array([False, True])})
    np.testing.assert_array_equal(new["v"], [[2, 4], [7, 7]])


def test_whole_numbers_may_have_a_mean_that_is_none():
    full = MeanImputation().fit_transform({"v": np.array([[1], [2], [0]])}, {"v": np.array([True, True, False])})
    assert full["v"][2, 0] == 1.5
