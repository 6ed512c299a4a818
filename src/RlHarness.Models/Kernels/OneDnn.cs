// Symbols: N rows, K inputs, M outputs.
using System.IO.Compression;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Matrix products by oneDNN, which libtorch holds but uses for bfloat16 only: in fp32 they are a tenth to a half faster than its own (docs/speed.md), and in
/// both types a matrix can be brought once into the layout that they want. Libtorch registers them for TorchScript alone, so a small TorchScript module calls them.
/// </summary>
internal static class OneDnn
{
    /// <summary>Below so many weights a call costs more than it brings.</summary>
    private const long LeastWeights = 300_000;

    /// <summary>Below so many rows a matrix that was not packed costs more than it brings.</summary>
    private const long LeastRows = 128;

    // As TorchScript writes itself to disk: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
    private const string Code = """
        class Products(Module):
          __parameters__ = []
          __buffers__ = []
          training : bool
          def pack(self: __torch__.Products, w: Tensor, n: int) -> Tensor:
            return ops.mkldnn._reorder_linear_weight(w, n)
          def linear(self: __torch__.Products, x: Tensor, w: Tensor) -> Tensor:
            return ops.mkldnn._linear_pointwise(x, w, None, "none", annotate(List[Optional[number]], []), None)

        """;

    private static readonly Lazy<jit.ScriptModule?> Module = new(Load);

    /// <summary>True when this libtorch has the operators.</summary>
    internal static bool Available => Module.Value is not null;

    /// <summary>Whether <see cref="Linear"/> serves these operands, neither of them packed: fp32 on the CPU, with enough rows and weights, and nobody who wants gradients.</summary>
    internal static bool Fits(Tensor x, Tensor weight)
        => x.dtype == ScalarType.Float32 && x.shape[0] >= LeastRows && CanPack(weight) && !(is_grad_enabled() && (x.requires_grad || weight.requires_grad));

    /// <summary>Whether a matrix is worth packing.</summary>
    internal static bool CanPack(Tensor weight)
        => FusedKernels.Apply(weight) && weight.dim() == 2 && weight.shape[0] * weight.shape[1] >= LeastWeights && Available;

    /// <summary>x [N, K] · weightᵀ → [N, M]; weight is [M, K] with any strides. Libtorch's graph ends here.</summary>
    internal static Tensor Linear(Tensor x, Tensor weight)
    {
        if (weight.shape[1] <= weight.shape[0] || weight.stride(1) != 1) return LinearOfPacked(x, weight);
        // Where rows of weights are long, oneDNN's own way around them costs more than packing (docs/speed.md).
        using var packed = Pack(weight, x.shape[0]);
        return LinearOfPacked(x, packed);
    }

    /// <summary>As <see cref="Linear"/>, of a matrix that <see cref="Pack"/> gave.</summary>
    internal static Tensor LinearOfPacked(Tensor x, Tensor weight) => Module.Value!.invoke<Tensor>("linear", x, weight);

    /// <summary>A copy of a matrix in oneDNN's own layout, for <see cref="LinearOfPacked"/> only. It serves any number of rows, and best about <paramref name="rows"/>.</summary>
    internal static Tensor Pack(Tensor weight, long rows) => Module.Value!.invoke<Tensor>("pack", weight, rows);

    private static jit.ScriptModule? Load()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return null;
        try
        {
            return jit.load(Archive(), CPU);
        }
        catch (ExternalException)
        {
            // A libtorch without the operators: its own products serve there.
            return null;
        }
    }

    private static byte[] Archive()
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            // Pickles: an object of the class with training = False, and an empty tuple of constants.
            Put("data.pkl", [0x80, 2, .. "c__torch__\nProducts\n)"u8, 0x81, .. "}(X"u8, 8, 0, 0, 0, .. "training"u8, 0x89, .. "ub."u8]);
            Put("code/__torch__.py", System.Text.Encoding.ASCII.GetBytes(Code.ReplaceLineEndings("\n")));
            Put("constants.pkl", [0x80, 2, .. ")."u8]);
            Put("version", "3\n"u8);

            void Put(string name, ReadOnlySpan<byte> content)
            {
                using var stream = zip.CreateEntry("products/" + name, CompressionLevel.NoCompression).Open();
                stream.Write(content);
            }
        }

        return memory.ToArray();
    }
}
