using RlHarness.Tests;
using RlHarness.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Optimization;

[Trait("kind", "arithmetic")]
public sealed class FusedAdamWTests
{
    [Fact]
    public void A_step_is_the_same_bit_for_bit_with_any_number_of_threads()
    {
        // Three pieces of 2^20 and a rest that is no multiple of a vector.
        const long count = (3 << 20) + 77;
        var expected = Step(threads: 1, count);
        foreach (var threads in new[] { 2, 3, 8 })
            Assert.Equal(expected, Step(threads, count));
    }

    [Fact]
    public void A_step_follows_the_formula_on_both_sides_of_the_decayed_part()
    {
        using var scope = NewDisposeScope();
        var (p, g, m, v) = (tensor(new[] { 1f, 1f }), tensor(new[] { 0.5f, -2f }), zeros(2), zeros(2));
        // lr 0.1, first step: m̂ = g, v̂ = g², so p ← p (1 − 0.1 · 0.5 where it decays) − 0.1 · g / (|g| + ε).
        FusedAdamW.Update(p, g, m, v, decayed: 1, new(1, 0.9f, 0.99f, 1e-8f, 0.1f / (1 - 0.9f), (float)(1 / Math.Sqrt(1 - 0.99)), 0.95f));
        Assert.Equal(0.85, p[0].item<float>(), 1e-6);
        Assert.Equal(1.1, p[1].item<float>(), 1e-6);
    }

    private static float[] Step(int threads, long count)
    {
        using var some = new Threads(threads);
        using var scope = NewDisposeScope();
        var numbers = Enumerable.Range(0, (int)count).Select(i => MathF.Sin(i * 0.37f)).ToArray();
        var (p, g, m, v) = (tensor(numbers), tensor(numbers).neg(), tensor(numbers).mul_(0.1f), tensor(numbers).square());
        FusedAdamW.Update(p, g, m, v, decayed: (2 << 20) + 5, new(0.7f, 0.9f, 0.99f, 1e-5f, 1e-2f, 1.5f, 0.999f));
        return [.. p.data<float>(), .. m.data<float>(), .. v.data<float>()];
    }
}
