using RlHarness.Core.Randomness;
using RlHarness.Training.Batching;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Batching;

[Trait("kind", "arithmetic")]
public sealed class MicroBatchesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(100)]
    [InlineData(100000)]
    public void Each_index_occurs_once_and_padded_tokens_stay_within_the_budget(int budget)
    {
        var random = new Seeds(7).For("lengths");
        var lengths = Enumerable.Range(0, 60).Select(_ => 1 + random.NextInt(50)).ToArray();
        var plan = MicroBatches.Plan(lengths, budget);
        Assert.Equal(Enumerable.Range(0, 60), plan.SelectMany(p => p).Order());
        Assert.All(plan, p => Assert.True(p.Count == 1 || p.Count * p.Max(i => lengths[i]) <= budget));
        if (budget == 1)
            Assert.Equal(60, plan.Count);
        if (budget == 100000)
            Assert.Single(plan);
    }

    [Fact]
    public void Sequences_of_like_length_stand_together()
    {
        // sorted: 1, 2 (of lengths 2, 2), then 0 (5), 3 (6); 2·2 fits 10, 3·5 does not, 2·6 does not
        Assert.Equal(
            [
                [1, 2],
                [0],
                [3],
            ],
            MicroBatches.Plan([5, 2, 2, 6], 10)
        );
    }

    [Fact]
    public void A_packed_batch_points_at_the_row_before_each_scored_token()
    {
        using var batch = ScoredBatch.Pack([new([10, 11, 12], [1, 2]), new([20, 21, 22, 23], [3])], CPU);
        Assert.Equal([0, 1, 5], batch.Rows.data<long>().ToArray());
        Assert.Equal([11, 12, 23], batch.Targets.data<long>().ToArray());
        Assert.Equal([2, 1], batch.Counts);
        Assert.Throws<ArgumentOutOfRangeException>(() => ScoredBatch.Pack([new([10, 11], [0])], CPU));
    }

    /// <summary>Twice a system text of 100 tokens with four answers of 10: by hand 140 rows each, so that a budget of 150 holds one system text.</summary>
    [Theory]
    [InlineData(150, new[] { 4, 4 })]
    [InlineData(280, new[] { 8 })]
    [InlineData(120, new[] { 2, 2, 2, 2 })]
    [InlineData(50, new[] { 1, 1, 1, 1, 1, 1, 1, 1 })]
    public void Sequences_with_a_common_beginning_come_together_and_cost_what_is_left_once_it_is_shared(int budget, int[] sizes)
    {
        int[][] sequences =
        [
            .. Enumerable.Range(0, 8).Select(i => (int[])[.. Enumerable.Range(i % 2 == 0 ? 0 : 1000, 100), .. Enumerable.Range(2000 + 20 * i, 10)]),
        ];
        var plan = MicroBatches.PlanTrees(sequences, [.. Enumerable.Repeat(100, 8)], budget);
        Assert.Equal(sizes, plan.Select(p => p.Count));
        Assert.Equal(Enumerable.Range(0, 8), plan.SelectMany(p => p).Order());
        if (budget < 280)
            Assert.All(plan, p => Assert.Single(p.Select(i => i % 2).Distinct()));
    }
}
