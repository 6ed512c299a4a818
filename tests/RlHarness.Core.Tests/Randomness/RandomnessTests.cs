using RlHarness.Core.Randomness;

namespace RlHarness.Core.Tests.Randomness;

[Trait("kind", "arithmetic")]
public class RandomnessTests
{
    // By hand from the reference C of xoroshiro128++ 1.0: s0 = 1, s1 = 2 gives rotl(3, 17) + 1 = 393217; then s1 ^= s0 = 3,
    // s0 = rotl(1, 49) ^ 3 ^ (3 << 21) = 0x2000000600003, s1 = rotl(3, 28) = 0x30000000; the sum 0x2000030600003 rotated by 17 is 0x600C00060004, plus s0.
    [Fact]
    public void The_first_two_numbers_of_xoroshiro128_are_those_of_its_definition()
    {
        var stream = new RandomStream(1, 2);
        Assert.Equal(393217UL, stream.NextUInt64());
        Assert.Equal((0x2000000600003UL, 0x30000000UL), stream.State);
        Assert.Equal(((0x2000030600003UL << 17) | (0x2000030600003UL >> 47)) + 0x2000000600003UL, stream.NextUInt64());
    }

    [Fact]
    public void A_state_of_zeros_still_gives_numbers() => Assert.NotEqual(0UL, new RandomStream(0, 0).NextUInt64());

    [Fact]
    public void A_stream_goes_on_from_its_stored_state()
    {
        var stream = new Seeds(5).For("a");
        for (var i = 0; i < 10; i++)
            stream.NextUInt64();
        var (s0, s1) = stream.State;
        var again = new RandomStream(s0, s1);
        Assert.Equal(stream.NextUInt64(), again.NextUInt64());
    }

    [Fact]
    public void The_same_arguments_give_the_same_stream_and_any_other_argument_another()
    {
        ulong First(ulong root, string purpose, long step = 0, long prompt = 0, long sample = 0) =>
            new Seeds(root).For(purpose, step, prompt, sample).NextUInt64();
        Assert.Equal(First(1, "a", 2, 3, 4), First(1, "a", 2, 3, 4));
        ulong[] all =
        [
            First(1, "a"),
            First(2, "a"),
            First(1, "b"),
            First(1, "a", 1),
            First(1, "a", 0, 1),
            First(1, "a", 0, 0, 1),
            First(1, "", 1),
            new Seeds(1).Child("a").For("a").NextUInt64(),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Equal(1UL, new Seeds(1).Root);
    }

    [Fact]
    public void Whole_numbers_are_uniform()
    {
        const int cells = 6,
            n = 60_000;
        var counts = new int[cells];
        var stream = new Seeds(3).For("uniform");
        for (var i = 0; i < n; i++)
            counts[stream.NextInt(cells)]++;
        // Chi-squared with 5 degrees of freedom exceeds 20.5 once in a thousand.
        Assert.True(counts.Sum(c => Math.Pow(c - (n / cells), 2) / (n / cells)) < 20.5);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.NextInt(0));
        Assert.Equal(0, stream.NextInt(1));
    }

    [Fact]
    public void Fractions_lie_in_the_unit_interval_with_its_mean_and_variance()
    {
        const int n = 100_000;
        var stream = new Seeds(4).For("fractions");
        var values = Enumerable.Range(0, n).Select(_ => stream.NextDouble()).ToArray();
        Assert.All(values, v => Assert.InRange(v, 0, 1 - 1e-16));
        // Five standard errors: sqrt(1/12/n) for the mean; the variance's is sqrt(1/180/n).
        Assert.Equal(0.5, values.Average(), 5 * Math.Sqrt(1.0 / 12 / n));
        Assert.Equal(1.0 / 12, values.Average(v => Math.Pow(v - 0.5, 2)), 5 * Math.Sqrt(1.0 / 180 / n));
    }

    [Fact]
    public void Normal_numbers_have_mean_0_and_variance_1()
    {
        const int n = 100_000;
        var stream = new Seeds(5).For("normal");
        var values = Enumerable.Range(0, n).Select(_ => stream.NextGaussian()).ToArray();
        Assert.Equal(0, values.Average(), 5 / Math.Sqrt(n));
        Assert.Equal(1, values.Average(v => v * v), 5 * Math.Sqrt(2.0 / n));
    }

    [Fact]
    public void Weighted_choice_follows_the_weights_and_never_takes_a_weight_of_0()
    {
        const int n = 40_000;
        var stream = new Seeds(6).For("weights");
        var counts = new int[4];
        for (var i = 0; i < n; i++)
            counts[stream.ChooseWeighted([1, 0, 2, 1])]++;
        Assert.Equal(0, counts[1]);
        Assert.Equal(0.5, counts[2] / (double)n, 5 * Math.Sqrt(0.25 / n));
        Assert.Equal(0.25, counts[3] / (double)n, 5 * Math.Sqrt(0.1875 / n));
        var yes = Enumerable.Range(0, n).Count(_ => stream.NextBool(0.25));
        Assert.Equal(0.25, yes / (double)n, 5 * Math.Sqrt(0.1875 / n));
    }

    [Fact]
    public void A_permutation_holds_each_index_once_and_puts_each_at_each_place_alike()
    {
        const int n = 24_000;
        var stream = new Seeds(7).For("permutation");
        var at = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < n; i++)
        {
            var order = stream.Permutation(3);
            Assert.Equal([0, 1, 2], order.Order());
            var key = string.Concat(order);
            at[key] = at.GetValueOrDefault(key) + 1;
        }

        // Six orders, 5 degrees of freedom.
        Assert.Equal(6, at.Count);
        Assert.True(at.Values.Sum(c => Math.Pow(c - (n / 6), 2) / (n / 6)) < 20.5);
        Assert.Contains(stream.Choose([10, 20]), new[] { 10, 20 });
    }
}
