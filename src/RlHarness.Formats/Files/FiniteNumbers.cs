using System.Numerics;
using System.Runtime.InteropServices;

namespace RlHarness.Formats.Files;

/// <summary>Looks for numbers that are not finite.</summary>
public static class FiniteNumbers
{
    private const uint Exponent = 0x7f800000;

    /// <summary>Index of the first NaN or infinity; -1 where there is none.</summary>
    public static int FirstOther(ReadOnlySpan<float> numbers)
    {
        var bits = MemoryMarshal.Cast<float, uint>(numbers);
        var mask = new Vector<uint>(Exponent);
        var i = 0;
        for (; i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count)
        {
            if (Vector.EqualsAny(new Vector<uint>(bits[i..]) & mask, mask))
                break;
        }

        for (; i < bits.Length; i++)
        {
            if ((bits[i] & Exponent) == Exponent)
                return i;
        }

        return -1;
    }
}
