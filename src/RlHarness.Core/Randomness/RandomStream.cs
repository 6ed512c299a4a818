using System.Numerics;

namespace RlHarness.Core.Randomness;

/// <summary>
/// A deterministic stream of random numbers: xoroshiro128++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021).
/// The two words of <see cref="State"/> are all of it, and can be stored and restored.
/// </summary>
public sealed class RandomStream
{
    private ulong _s0;
    private ulong _s1;

    public RandomStream(ulong s0, ulong s1)
    {
        _s0 = s0;
        _s1 = (s0 | s1) == 0 ? 0x9E3779B97F4A7C15 : s1;
    }

    public (ulong S0, ulong S1) State => (_s0, _s1);

    public ulong NextUInt64()
    {
        var (s0, s1) = (_s0, _s1);
        var result = BitOperations.RotateLeft(s0 + s1, 17) + s0;
        s1 ^= s0;
        _s0 = BitOperations.RotateLeft(s0, 49) ^ s1 ^ (s1 << 21);
        _s1 = BitOperations.RotateLeft(s1, 28);
        return result;
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [0, <paramref name="exclusiveMax"/>), without bias (Lemire 2019).</summary>
    public int NextInt(int exclusiveMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exclusiveMax);
        var range = (ulong)exclusiveMax;
        var threshold = (0UL - range) % range;
        while (true)
        {
            var high = Math.BigMul(NextUInt64(), range, out var low);
            if (low >= threshold)
                return (int)high;
        }
    }

    /// <summary>Standard normal (Box–Muller, one of the pair).</summary>
    public double NextGaussian() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    public bool NextBool(double probability) => NextDouble() < probability;

    public T Choose<T>(IReadOnlyList<T> items) => items[NextInt(items.Count)];

    /// <summary>Index drawn with probability proportional to its weight.</summary>
    public int ChooseWeighted(IReadOnlyList<double> weights)
    {
        var left = NextDouble() * weights.Sum();
        for (var i = 0; i < weights.Count - 1; i++)
            if ((left -= weights[i]) < 0)
                return i;
        return weights.Count - 1;
    }

    /// <summary>Fisher–Yates, in place.</summary>
    public void Shuffle<T>(IList<T> items)
    {
        for (var i = items.Count - 1; i > 0; i--)
        {
            var j = NextInt(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>0 … count − 1 in random order.</summary>
    public int[] Permutation(int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        Shuffle(order);
        return order;
    }
}
