using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is softmax attention written out in double precision over the same rounded operands, with libtorch's gradient.</summary>
[Trait("kind", "arithmetic")]
public sealed class TiledAttentionTests
{
    /// <summary>Shared tokens, then each sequence's own.</summary>
    [Theory]
    [InlineData(ScalarType.BFloat16, 4, 4, 16, null, 0, new[] { 1 })]
    [InlineData(ScalarType.BFloat16, 4, 2, 64, null, 0, new[] { 64, 130, 7 })]
    [InlineData(ScalarType.BFloat16, 9, 3, 64, null, 37, new[] { 91, 5, 128 })]
    [InlineData(ScalarType.BFloat16, 2, 1, 80, null, 128, new[] { 64, 65 })]
    [InlineData(ScalarType.BFloat16, 4, 2, 32, 20, 0, new[] { 200, 63 })]
    [InlineData(ScalarType.BFloat16, 4, 4, 16, 70, 90, new[] { 150, 1 })]
    [InlineData(ScalarType.BFloat16, 2, 2, 128, 1, 17, new[] { 66 })]
    [InlineData(ScalarType.Float32, 9, 3, 64, null, 37, new[] { 91, 5, 128 })]
    [InlineData(ScalarType.Float32, 2, 1, 80, 70, 90, new[] { 150, 1 })]
    [InlineData(ScalarType.Float32, 4, 4, 256, null, 0, new[] { 65, 1 })]
    public void It_equals_attention_written_out(ScalarType type, int heads, int groups, int headDim, int? window, int shared, int[] rests)
    {
        Tiles.Require(type);
        using var scope = NewDisposeScope();
        manual_seed(heads + headDim);
        var segments = Segments(shared, rests);
        long n = shared + rests.Sum();
        Tensor Low(long width) => randn(n, width).to(type);
        var (q, k, gradient) = (Low(heads * headDim), Low(groups * headDim), Low(heads * headDim));
        // Values come as columns of a wider tensor.
        var v = Low(3 * groups * headDim).narrow(1, groups * headDim, groups * headDim);
        var shape = new TiledAttention.Shape(heads, groups, headDim, 1 / MathF.Sqrt(headDim), window);

        var (mixed, logSums) = TiledAttention.Forward(q, k, v, Trees(segments), shape);
        var (dq, dk, dv) = TiledAttention.Backward(gradient, q, k, v, mixed, logSums, Trees(segments), shape);

        Tensor Leaf(Tensor x) => x.to(ScalarType.Float64).contiguous().requires_grad_(true);
        var (wideQ, wideK, wideV) = (Leaf(q), Leaf(k), Leaf(v));
        var expected = WrittenOut(wideQ, wideK, wideV, segments, shape);
        var gradients = autograd.grad([expected], [wideQ, wideK, wideV], [gradient.to(ScalarType.Float64)]);

        // In bfloat16 weights and results are rounded (by up to 1 part in 256, half of that on average), in gradients three times.
        var (usual, largest) = type == ScalarType.BFloat16 ? (0.006, 0.04) : (1e-6, 2e-5);
        Near(mixed, expected, usual, largest);
        Near(dq, gradients[0], usual, largest);
        Near(dk, gradients[1], usual, largest);
        Near(dv, gradients[2], usual, largest);
    }

    [Fact]
    public void Large_scores_neither_overflow_nor_lose_the_largest()
    {
        Tiles.Require(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        // Query and key of position 1 agree strongly: e^(40 · 40 · 16 / 4) would overflow.
        var q = ones(3, 16, dtype: ScalarType.BFloat16) * 40;
        var k = cat([q.narrow(0, 0, 1) * -1, q.narrow(0, 0, 1), q.narrow(0, 0, 1) * -1], 0);
        var v = arange(3, dtype: ScalarType.BFloat16).unsqueeze(1).expand(3, 16).contiguous();
        var (mixed, logSums) = TiledAttention.Forward(q, k, v, [new(0, [3, 3, 3], [0, 1, 2])], new(1, 1, 16, 0.25f, null));
        Assert.Equal([0f, 1f, 1f], mixed.narrow(1, 0, 1).to(ScalarType.Float32).data<float>().ToArray());
        Assert.Equal([-6400f, 6400f, 6400f], logSums.data<float>().ToArray());
    }

    private sealed record Segment(int Before, int From, int Rows);

    /// <summary>What the kernel is told of the segments: one tree where they share their beginning, else one for each.</summary>
    private static List<TiledAttention.Tree> Trees(List<Segment> segments)
    {
        if (segments.Count == 1 || segments[1].Before == 0)
            return [.. segments.Select(s => new TiledAttention.Tree(s.From, [.. Enumerable.Repeat(s.Rows, s.Rows)], [.. Enumerable.Range(0, s.Rows)]))];
        var rows = segments.Sum(s => s.Rows);
        return
        [
            new(
                0,
                [.. segments.SelectMany(s => Enumerable.Repeat(s.Before == 0 ? rows : s.From + s.Rows, s.Rows))],
                [.. segments.SelectMany(s => Enumerable.Range(s.Before, s.Rows))]
            ),
        ];
    }

    private static List<Segment> Segments(int shared, int[] rests)
    {
        var segments = new List<Segment>();
        if (shared > 0)
            segments.Add(new(0, 0, shared));
        var from = shared;
        foreach (var rest in rests)
        {
            segments.Add(new(shared, from, rest));
            from += rest;
        }

        return segments;
    }

    private static Tensor WrittenOut(Tensor q, Tensor k, Tensor v, List<Segment> segments, TiledAttention.Shape s)
    {
        var results = new List<Tensor>();
        foreach (var segment in segments)
        {
            Tensor Keys(Tensor x, int head)
            {
                var own = x.narrow(0, segment.From, segment.Rows);
                return (segment.Before > 0 ? cat([x.narrow(0, 0, segment.Before), own], 0) : own).narrow(1, head * s.HeadDim, s.HeadDim);
            }

            var position = arange(segment.Rows).unsqueeze(1) + segment.Before;
            var key = arange(segment.Before + segment.Rows).unsqueeze(0);
            var hidden = key > position;
            if (s.Window is { } w)
                hidden = hidden.logical_or(key <= position - w);
            var heads = Enumerable
                .Range(0, s.Heads)
                .Select(head =>
                {
                    var scores = mm(q.narrow(0, segment.From, segment.Rows).narrow(1, head * s.HeadDim, s.HeadDim), Keys(k, head / s.Group).t()) * s.Scale;
                    return mm(scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1), Keys(v, head / s.Group));
                });
            results.Add(cat([.. heads], 1));
        }

        return cat([.. results], 0);
    }

    /// <summary>
    /// Errors relative to the usual size of the expected numbers, or to 1 where all of them vanish (a query that sees one key has no gradient).
    /// </summary>
    private static void Near(Tensor found, Tensor expected, double usual, double largest)
    {
        var size = Math.Sqrt(expected.pow(2).mean().item<double>());
        var error = (found.to(ScalarType.Float64) - expected) / (size > 1e-6 ? size : 1);
        var (rms, worst) = (
            Math.Sqrt(error.pow(2).mean().item<double>()),
            (error.abs() / (expected.abs() / (size > 1e-6 ? size : 1)).clamp_min(1)).max().item<double>()
        );
        Assert.True(rms <= usual && worst <= largest, $"error {rms:g3} on average, {worst:g3} at most; allowed {usual:g3} and {largest:g3}");
    }
}
