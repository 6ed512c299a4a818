using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Loading;

/// <summary>Copies stored weights into tensors in pieces, so that loading never holds more than the model and one piece.</summary>
internal static class WeightReader
{
    private const long Piece = 1 << 23;
    private const int CachePiece = 1 << 14; // a multiple of every block

    /// <summary>Fills a contiguous tensor, fp32 or rounded to bfloat16, with an entry of the same number of elements.</summary>
    internal static void Into(IWeightFile file, WeightEntry entry, Tensor destination)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var flat = destination.detach().view(-1);
        long block = Dequantizer.BlockSize(entry.Type),
            bytes = Dequantizer.TypeSize(entry.Type),
            count = entry.Elements;
        var there = destination.device_type == DeviceType.CPU && destination.dtype == ScalarType.Float32;
        using var staging = there ? null : empty(Math.Min(Piece, count), dtype: ScalarType.Float32, device: CPU);
        for (var at = 0L; at < count; at += Piece)
        {
            using var step = NewDisposeScope();
            var length = Math.Min(Piece, count - at);
            var source = file.Bytes(entry, at / block * bytes, checked((int)(length / block * bytes)));
            var target = flat.narrow(0, at, length);
            var buffer = there ? target : staging!.narrow(0, 0, length);
            ToFloat(file, entry, source, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(HostReads.Memory(buffer)), at);
            if (!there)
                target.copy_(buffer);
        }
    }

    // In pieces that the cache holds, so that the look at each number costs no second way through memory.
    private static void ToFloat(IWeightFile file, WeightEntry entry, ReadOnlySpan<byte> source, Span<float> target, long first)
    {
        int block = Dequantizer.BlockSize(entry.Type),
            bytes = Dequantizer.TypeSize(entry.Type);
        for (var at = 0; at < target.Length; at += CachePiece)
        {
            var part = target.Slice(at, Math.Min(CachePiece, target.Length - at));
            Dequantizer.ToFloat(entry.Type, source.Slice(at / block * bytes, part.Length / block * bytes), part);
            var odd = FiniteNumbers.FirstOther(part);
            if (odd >= 0)
                throw new HarnessException(
                    ErrorKind.Numerics,
                    $"{file.Path}: tensor {entry.Name} holds a number that is not finite",
                    string.Create(CultureInfo.InvariantCulture, $"{part[odd]} at element {first + at + odd}"),
                    "finite numbers",
                    "fetch or convert the model again; training that diverged leaves such weights"
                );
        }
    }

    /// <summary>Hugging Face's rotary halves [heads, 2, d/2, in] to GGUF's interleaved rows [heads, d/2, 2, in].</summary>
    internal static void Interleave(Tensor destination, int heads)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var shape = destination.shape;
        var half = shape[0] / heads / 2;
        long[] parts = shape.Length == 1 ? [heads, 2, half] : [heads, 2, half, shape[1]];
        destination.copy_(destination.view(parts).transpose(1, 2).reshape(shape));
    }

    /// <summary>GGUF's interleaved rotary rows [heads, d/2, 2, in] back to Hugging Face's halves [heads, 2, d/2, in].</summary>
    internal static void UndoInterleave(Tensor destination, int heads)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var shape = destination.shape;
        var half = shape[0] / heads / 2;
        long[] parts = shape.Length == 1 ? [heads, half, 2] : [heads, half, 2, shape[1]];
        destination.copy_(destination.view(parts).transpose(1, 2).reshape(shape));
    }
}
