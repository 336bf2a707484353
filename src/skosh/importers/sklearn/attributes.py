"""Attributes of a fitted estimator are taken, one by one; what nobody took and isn't known to be without effect is refused.

So what a new version of the library, or a class derived from one of its own, adds to a prediction is told, instead of left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError

WITHOUT_EFFECT = frozenset((
    "C_", "Cs_", "X_fit_", "X_offset_", "X_scale_", "active_", "alpha_", "alphas_", "average_coef_",
    "average_intercept_", "batch_size_", "best_loss_", "best_score_", "best_validation_score_", "breakdown_",
    "category_count_", "class_count_", "class_indicator_", "class_log_prior_", "class_prior_", "class_weight_",
    "class_weight_vec_", "classes_", "coef_path_", "coefs_paths_", "component_indices_", "converged_", "counts_",
    "covariance_", "covariance_prior_", "covariance_type_", "covariances_", "criterion_", "cv_alphas_", "cv_results_",
    "cv_values_", "data_max_", "data_min_", "data_range_", "degrees_of_freedom_prior_", "density_", "deviations_",
    "dist_", "dual_coef_", "dual_gap_", "ensemble_", "eps_", "epsilon_", "estimator_", "explained_variance_",
    "explained_variance_ratio_", "feature_all_", "feature_count_", "feature_idx_", "feature_names_in_", "fit_status_",
    "gcv_mode_", "grid_scores_", "indicator_", "inertia_", "init_size_", "inlier_mask_", "intercept_scaling_",
    "inverse_components_", "l1_ratio_", "l1_ratios_", "label_binarizer_", "labels_", "lambda_", "le_", "location_",
    "loglike_", "loss_", "loss_curve_", "loss_function_", "lower_bound_", "lower_bounds_", "max_abs_", "max_features_",
    "mean_", "mean_precision_prior_", "mean_prior_", "means_", "mixing_", "mse_path_", "multilabel_", "n_bins_",
    "n_categories_", "n_classes_", "n_components_", "n_features_", "n_features_in_", "n_features_to_select_", "n_iter_",
    "n_layers_", "n_nonzero_coefs_", "n_output_features_", "n_outputs_", "n_quantiles_", "n_samples_", "n_samples_fit_",
    "n_samples_seen_", "n_skips_invalid_data_", "n_skips_invalid_model_", "n_skips_no_inliers_", "n_steps_",
    "n_subpopulation_", "n_trials_", "named_estimators_", "named_transformers_", "negative_outlier_factor_",
    "noise_variance_", "num_iter_", "offset_", "outliers_", "pairwise_indices_", "precision_", "precisions_", "priors_",
    "pvalues_", "random_state_", "rank_", "ranking_", "raw_covariance_", "raw_location_", "raw_support_",
    "reconstruction_err_", "rotations_", "scale_", "scalings_", "score_", "scores_", "shape_fit_", "sigma_",
    "singular_", "singular_values_", "solver_", "sparse_output_", "stack_method_", "standard_coef_",
    "standard_intercept_", "support_", "support_mask_", "support_vectors_", "t_", "threshold_", "validation_score_",
    "validation_scores_", "var_", "variances_", "weight_concentration_", "weight_concentration_prior_", "whitening_",
    "within_class_std_dev_", "x_loadings_", "x_mean_", "x_rotations_", "x_scores_", "x_std_", "x_weights_", "xbar_",
    "y_loadings_", "y_mean_", "y_rotations_", "y_scores_", "y_std_", "y_weights_",
))  # fmt: skip
"""Fitted attributes that no prediction hangs on, or that only some outputs need."""


class Taken:
    """A fitted estimator whose attributes are noted as they are read. ``unread`` afterwards says which weren't."""

    def __init__(self, estimator: Any) -> None:
        self.__dict__["_estimator"] = estimator
        self.__dict__["_names"] = set()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """So that questions about its kind are answered as the estimator's own."""
        return type(self.__dict__["_estimator"])

    def __getattr__(self, name: str) -> Any:
        self.__dict__["_names"].add(name)
        return getattr(self.__dict__["_estimator"], name)


def check_all_taken(taken: Any) -> None:
    """ModelError about the first fitted attribute (its name ends with _) that was not read, has no known reason to be left, and
    holds anything."""
    estimator, names = taken.__dict__["_estimator"], taken.__dict__["_names"]
    for name, value in vars(estimator).items():
        fitted = name.endswith("_") and not name.startswith("_")
        if fitted and name not in names and name not in WITHOUT_EFFECT and _holds(value):
            raise ModelError(
                f"{type(estimator).__name__} has {name}, which skosh doesn't read",
                hint="the model may be of a newer version of scikit-learn, or of a class of your own",
            )


def _holds(value: Any) -> bool:
    """Is it anything but what stands for nothing?"""
    if value is None or value is False:
        return False
    if isinstance(value, np.ndarray):
        return bool(value.size)
    return not (isinstance(value, int | float | str | list | tuple | dict) and not value)


def overridden(estimator: Any, known: str) -> str | None:
    """The method by which a class outside the library makes its predictions otherwise than the known class that it derives
    from; None where there is none."""
    methods = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
    for c in type(estimator).__mro__:
        if c.__module__.partition(".")[0] == "sklearn" and c.__name__ == known:
            return None
        if c.__module__.partition(".")[0] != "sklearn":
            found = next((m for m in methods if m in vars(c)), None)
            if found is not None:
                return found
    return None
