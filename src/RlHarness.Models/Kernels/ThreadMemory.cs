using System.Runtime.InteropServices;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Memory of the calling thread that is used again at each call: for tiles and packed operands, whose pages would else be fetched anew each time.
/// </summary>
internal static unsafe class ThreadMemory
{
    [ThreadStatic]
    private static Block[]? _blocks;

    /// <summary>At least so many bytes with arbitrary content, aligned to 64; the same at each call with this place until more are asked for.</summary>
    internal static byte* Get(Place place, long bytes)
    {
        var blocks = _blocks ??= [new(), new(), new(), new()];
        return blocks[(int)place].AtLeast(bytes);
    }

    internal enum Place
    {
        /// <summary>A tile's left operand.</summary>
        Left,

        /// <summary>A tile's right operand.</summary>
        Right,

        /// <summary>A tile's sums.</summary>
        Sums,

        /// <summary>What the calling thread hands to all others.</summary>
        Shared,
    }

    private sealed class Block
    {
        private void* _at;
        private long _bytes;

        ~Block() => NativeMemory.AlignedFree(_at);

        internal byte* AtLeast(long bytes)
        {
            if (bytes <= _bytes)
                return (byte*)_at;
            NativeMemory.AlignedFree(_at);
            _at = NativeMemory.AlignedAlloc((nuint)bytes, 64);
            _bytes = bytes;
            return (byte*)_at;
        }
    }
}
