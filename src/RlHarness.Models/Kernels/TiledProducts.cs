using static TorchSharp.torch;

// Symbols: R rows, O outputs, I inputs.
namespace RlHarness.Models.Kernels;

/// <summary>
/// The matrix products of a layer and of its gradient, cut into tiles (<see cref="TileLoops{T}"/>): libtorch's own spend part of their time on bringing
/// operands into layouts and back, and in fp32 its kernels for some processors are far from the peak (docs/speed.md).
/// </summary>
public static class TiledProducts
{
    /// <summary>Fewer rows don't pay for bringing a matrix into tiles.</summary>
    private const long LeastRows = 64;

    /// <summary>In fp32, where libtorch's own are nearer, they pay for matrices of so many weights.</summary>
    private const long LeastWeights = 300_000;

    /// <summary>Number types that tiles serve on this processor.</summary>
    public static IReadOnlyList<ScalarType> Types { get; } =
    [.. new[] { (ScalarType.Float32, Brgemm.HasFloat32), (ScalarType.BFloat16, Brgemm.HasBFloat16) }.Where(t => t.Item2).Select(t => t.Item1)];

    /// <summary>
    /// Whether <see cref="Linear(Tensor, Tensor, Tensor)"/> and <see cref="Back"/> serve: on the processor, in one of their types, enough rows and
    /// weights, and nobody who wants libtorch's gradients.
    /// </summary>
    internal static bool IsSupported(Tensor x, Tensor weight) =>
        IsSupportedPair(x, weight) && (x.dtype == ScalarType.BFloat16 ? x.shape[1] % 2 == 0 : weight.shape[0] * weight.shape[1] >= LeastWeights);

    /// <summary>Whether <see cref="AddOuter"/> supports these operands.</summary>
    internal static bool IsSupportedOuter(Tensor gradient, Tensor input) =>
        IsSupportedPair(gradient, input) && (gradient.dtype == ScalarType.BFloat16 || gradient.shape[1] * input.shape[1] >= LeastWeights);

    /// <summary>Whether a matrix [O, I] can be packed.</summary>
    internal static bool CanPack(Tensor weight) =>
        weight.dim() == 2 && FusedKernels.Apply(weight) && weight.is_contiguous() && Types.Contains(weight.dtype) && weight.shape[1] % 2 == 0;

    /// <summary>x [R, I] · weightᵀ → [R, O], for weight [O, I]; into <paramref name="target"/> where it is given.</summary>
    internal static Tensor Linear(Tensor x, Tensor weight, Tensor? target = null) =>
        x.dtype == ScalarType.BFloat16
            ? TileLoops<BFloat16Element>.Multiply(x, weight, transposed: true, target)
            : TileLoops<Float32Element>.Multiply(x, weight, transposed: true, target);

    /// <summary>y [R, O] · weight → [R, I], for weight [O, I].</summary>
    internal static Tensor Back(Tensor y, Tensor weight) =>
        y.dtype == ScalarType.BFloat16
            ? TileLoops<BFloat16Element>.Multiply(y, weight, transposed: false)
            : TileLoops<Float32Element>.Multiply(y, weight, transposed: false);

    /// <summary>total fp32 [O, I] += gradientᵀ input, for gradient [R, O] and input [R, I]: summed in fp32 in both types.</summary>
    internal static void AddOuter(Tensor total, Tensor gradient, Tensor input)
    {
        if (input.dtype == ScalarType.BFloat16)
            TileLoops<BFloat16Element>.AddOuter(total, gradient, input);
        else
            TileLoops<Float32Element>.AddOuter(total, gradient, input);
    }

    /// <summary>A copy of a matrix that <see cref="Linear(Tensor, PackedMatrix, Tensor)"/> multiplies as it lies.</summary>
    internal static PackedMatrix Pack(Tensor weight) =>
        weight.dtype == ScalarType.BFloat16 ? TileLoops<BFloat16Element>.Pack(weight) : TileLoops<Float32Element>.Pack(weight);

    /// <summary>The same product as with the unpacked matrix; any number of rows.</summary>
    internal static Tensor Linear(Tensor x, PackedMatrix weight, Tensor? target = null)
    {
        using var rows = x.contiguous();
        return x.dtype == ScalarType.BFloat16
            ? TileLoops<BFloat16Element>.Multiply(rows, weight, target)
            : TileLoops<Float32Element>.Multiply(rows, weight, target);
    }

    /// <summary>x [R, I] · weightᵀ → fp32 [R, O] as it was summed, for bfloat16 x and weight [O, I]; any number of rows.</summary>
    internal static Tensor Summed(Tensor x, Tensor weight)
    {
        using var rows = x.contiguous();
        return TileLoops<BFloat16Element>.Multiply(rows, weight, transposed: true, empty(x.shape[0], weight.shape[0], dtype: ScalarType.Float32));
    }

    /// <summary>fp32 sums of a product with a packed matrix.</summary>
    internal static Tensor Summed(Tensor x, PackedMatrix weight)
    {
        using var rows = x.contiguous();
        return TileLoops<BFloat16Element>.Multiply(rows, weight, empty(x.shape[0], weight.Outputs, dtype: ScalarType.Float32));
    }

    private static bool IsSupportedPair(Tensor left, Tensor right) =>
        left.dim() == 2
        && left.shape[0] >= LeastRows
        && left.dtype == right.dtype
        && FusedKernels.Apply(left)
        && Types.Contains(left.dtype)
        && left.is_contiguous()
        && right.is_contiguous()
        && !(is_grad_enabled() && (left.requires_grad || right.requires_grad));
}

/// <summary>A matrix [O, I] in panels of tiles.</summary>
internal sealed record PackedMatrix(Tensor Panels, long Outputs, long Inputs) : IDisposable
{
    public void Dispose() => Panels.Dispose();
}
