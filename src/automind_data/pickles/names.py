"""Every name that a published pickle may mention, exactly as (module, name)."""

from __future__ import annotations

__all__ = ["ALLOWED", "ATTRIBUTES", "CONFIGS", "MODERN", "NEVER_CALLED"]

ALLOWED: frozenset[tuple[str, str]] = frozenset(
    {
        ("__builtin__", "bool"),
        ("__builtin__", "bytearray"),
        ("__builtin__", "bytes"),
        ("__builtin__", "dict"),
        ("__builtin__", "float"),
        ("__builtin__", "frozenset"),
        ("__builtin__", "getattr"),
        ("__builtin__", "list"),
        ("__builtin__", "long"),
        ("__builtin__", "object"),
        ("__builtin__", "set"),
        ("__builtin__", "unicode"),
        ("_codecs", "encode"),
        ("automind.utils.dist_utils", "CustomIndependentJoint"),
        ("automind.utils.dist_utils", "logPSD_scaler"),
        ("brian2.units.fundamentalunits", "get_or_create_dimension"),
        ("brian2.units.fundamentalunits", "quantity_with_dimensions"),
        ("builtins", "bool"),
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("builtins", "dict"),
        ("builtins", "float"),
        ("builtins", "frozenset"),
        ("builtins", "getattr"),
        ("builtins", "int"),
        ("builtins", "list"),
        ("builtins", "object"),
        ("builtins", "set"),
        ("builtins", "str"),
        ("builtins", "tuple"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("copy_reg", "__newobj__"),
        ("copy_reg", "_reconstructor"),
        ("copyreg", "__newobj__"),
        ("copyreg", "_reconstructor"),
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
        ("nflows.transforms.standard", "IdentityTransform"),
        ("nflows.transforms.standard", "PointwiseAffineTransform"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.core.numeric", "_frombuffer"),
        ("omegaconf.base", "ContainerMetadata"),
        ("omegaconf.base", "Metadata"),
        ("omegaconf.base", "UnionNode"),
        ("omegaconf.dictconfig", "DictConfig"),
        ("omegaconf.listconfig", "ListConfig"),
        ("omegaconf.nodes", "AnyNode"),
        ("omegaconf.nodes", "BooleanNode"),
        ("omegaconf.nodes", "BytesNode"),
        ("omegaconf.nodes", "FloatNode"),
        ("omegaconf.nodes", "IntegerNode"),
        ("omegaconf.nodes", "StringNode"),
        ("sbi.inference.posteriors.direct_posterior", "DirectPosterior"),
        ("sbi.inference.potentials.posterior_based_potential", "PosteriorBasedPotential"),
        ("sbi.neural_nets.embedding_nets", "FCEmbedding"),
        ("sbi.utils.sbiutils", "Standardize"),
        ("sbi.utils.torchutils", "BoxUniform"),
        ("torch", "Size"),
        ("torch", "bool"),
        ("torch", "device"),
        ("torch", "float16"),
        ("torch", "float32"),
        ("torch", "float64"),
        ("torch", "int32"),
        ("torch", "int64"),
        ("torch", "relu"),
        ("torch", "tanh"),
        ("torch", "uint8"),
        ("torch._C", "_VariableFunctionsClass"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.distributions.independent", "Independent"),
        ("torch.distributions.transforms", "AffineTransform"),
        ("torch.distributions.transforms", "ComposeTransform"),
        ("torch.distributions.transforms", "IndependentTransform"),
        ("torch.distributions.transforms", "SigmoidTransform"),
        ("torch.distributions.transforms", "_InverseTransform"),
        ("torch.distributions.uniform", "Uniform"),
        ("torch.nn.functional", "relu"),
        ("torch.nn.functional", "tanh"),
        ("torch.nn.modules.activation", "ReLU"),
        ("torch.nn.modules.container", "ModuleList"),
        ("torch.nn.modules.container", "Sequential"),
        ("torch.nn.modules.dropout", "Dropout"),
        ("torch.nn.modules.linear", "Identity"),
        ("torch.nn.modules.linear", "Linear"),
        ("torch.storage", "_load_from_bytes"),
        ("typing", "Any"),
        ("typing", "Dict"),
        ("typing", "List"),
    }
)

ATTRIBUTES: frozenset[tuple[str, str]] = frozenset(
    {
        ("torch._C._VariableFunctionsClass", "relu"),
        ("torch._C._VariableFunctionsClass", "tanh"),
    }
)
"""What `builtins.getattr` may ask for, as (object, attribute)."""

CONFIGS: frozenset[tuple[str, str]] = frozenset(
    pair
    for pair in ALLOWED
    if pair[0].startswith("omegaconf.") and not pair[1].endswith("Metadata")
)
"""Containers and values of omegaconf; what they hold takes their place."""

MODERN: dict[tuple[str, str], tuple[str, str]] = {
    (old, name): ("copyreg" if old == "copy_reg" else "builtins", name)
    for old, name in ALLOWED
    if old in ("copy_reg", "__builtin__")
}
"""Names as protocols 0 to 2 write them, and what they are called now."""

_TYPES = "bool dict float int list long object str tuple unicode".split()
NEVER_CALLED: frozenset[tuple[str, str]] = frozenset(
    {("builtins", name) for name in _TYPES}
    | {pair for pair in ALLOWED if pair[0] in ("torch.nn.functional", "typing")}
    | {("torch", name) for name in "bool float16 float32 float64 int32 int64 uint8".split()}
    | {("torch", "relu"), ("torch", "tanh"), ("automind.utils.dist_utils", "logPSD_scaler")}
    | {("numpy", "ndarray"), ("torch._C", "_VariableFunctionsClass")}
)
"""Names that stand for themselves: a pickle that calls one is refused."""
