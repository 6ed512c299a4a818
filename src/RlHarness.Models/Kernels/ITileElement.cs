using TorchSharp;

namespace RlHarness.Models.Kernels;

/// <summary>How matrices of one number type are brought into the layouts that <see cref="Brgemm"/> multiplies. A unit is 32 bits: one number, or two.</summary>
internal unsafe interface ITileElement : IElement
{
    static abstract torch.ScalarType Type { get; }

    /// <summary>Whether a unit of a right operand holds the numbers of two rows.</summary>
    static abstract bool Pairs { get; }

    /// <summary>
    /// At most so many products are summed in the processor's registers before they are added to a tile in memory; more come in equal pieces.
    /// </summary>
    static abstract long LargestSum { get; }

    /// <summary>Those pieces are multiples of this.</summary>
    static abstract long SumStep { get; }

    /// <summary>Right operand B [K, N] = source: [padded, width] of numbers, or [padded / 2, width] of pairs.</summary>
    /// <param name="stride">Numbers from one row of the source to the next.</param>
    /// <param name="inner">K.</param>
    /// <param name="padded">K rounded up (even for bfloat16); the extra rows are zero.</param>
    /// <param name="columns">N.</param>
    /// <param name="targetStride">Units from one row of the target to the next.</param>
    /// <param name="width">A multiple of 16 from N on; columns from N to it are 0.</param>
    static abstract void PackColumns(byte* source, long stride, int inner, int padded, int columns, uint* target, long targetStride, int width);

    /// <summary>Left operand A [M, padded] = sourceᵀ, for source [K, M].</summary>
    /// <param name="stride">Numbers from one row of the source to the next.</param>
    /// <param name="inner">K.</param>
    /// <param name="padded">A multiple of 32 from K on; columns from K to it are 0.</param>
    /// <param name="columns">M.</param>
    /// <param name="targetStride">Numbers from one row of the target to the next, even.</param>
    static abstract void Transpose(byte* source, long stride, int inner, int padded, int columns, byte* target, long targetStride);
}
