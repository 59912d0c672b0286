"""Every name that a published pickle may mention, exactly as (module, name)."""

from __future__ import annotations

__all__ = ["ALLOWED", "ATTRIBUTES"]

ALLOWED: frozenset[tuple[str, str]] = frozenset(
    {
        ("automind.utils.dist_utils", "CustomIndependentJoint"),
        ("automind.utils.dist_utils", "logPSD_scaler"),
        ("brian2.units.fundamentalunits", "get_or_create_dimension"),
        ("brian2.units.fundamentalunits", "quantity_with_dimensions"),
        ("builtins", "getattr"),
        ("collections", "OrderedDict"),
        ("nflows.distributions.normal", "StandardNormal"),
        ("nflows.flows.base", "Flow"),
        ("nflows.nn.nets.resnet", "ResidualBlock"),
        ("nflows.nn.nets.resnet", "ResidualNet"),
        ("nflows.transforms.autoregressive", "MaskedAffineAutoregressiveTransform"),
        ("nflows.transforms.base", "CompositeTransform"),
        ("nflows.transforms.coupling", "PiecewiseRationalQuadraticCouplingTransform"),
        ("nflows.transforms.linear", "LinearCache"),
        ("nflows.transforms.lu", "LULinear"),
        ("nflows.transforms.made", "MADE"),
        ("nflows.transforms.made", "MaskedFeedforwardBlock"),
        ("nflows.transforms.made", "MaskedLinear"),
        ("nflows.transforms.permutations", "Permutation"),
        ("nflows.transforms.permutations", "RandomPermutation"),
        ("nflows.transforms.permutations", "ReversePermutation"),
        ("nflows.transforms.standard", "AffineTransform"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("sbi.inference.posteriors.direct_posterior", "DirectPosterior"),
        ("sbi.inference.potentials.posterior_based_potential", "PosteriorBasedPotential"),
        ("sbi.neural_nets.embedding_nets", "FCEmbedding"),
        ("sbi.utils.sbiutils", "Standardize"),
        ("sbi.utils.torchutils", "BoxUniform"),
        ("torch", "Size"),
        ("torch._C", "_VariableFunctionsClass"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.distributions.transforms", "AffineTransform"),
        ("torch.distributions.transforms", "ComposeTransform"),
        ("torch.distributions.transforms", "IndependentTransform"),
        ("torch.distributions.transforms", "SigmoidTransform"),
        ("torch.distributions.transforms", "_InverseTransform"),
        ("torch.distributions.uniform", "Uniform"),
        ("torch.nn.modules.activation", "ReLU"),
        ("torch.nn.modules.container", "ModuleList"),
        ("torch.nn.modules.container", "Sequential"),
        ("torch.nn.modules.dropout", "Dropout"),
        ("torch.nn.modules.linear", "Identity"),
        ("torch.nn.modules.linear", "Linear"),
        ("torch.storage", "_load_from_bytes"),
    }
)

ATTRIBUTES: frozenset[tuple[str, str]] = frozenset(
    {
        ("torch._C._VariableFunctionsClass", "relu"),
        ("torch._C._VariableFunctionsClass", "tanh"),
    }
)
"""What `builtins.getattr` may ask for, as (object, attribute)."""
