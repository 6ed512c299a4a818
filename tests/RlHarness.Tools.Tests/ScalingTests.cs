using RlHarness.Tests;
using RlHarness.Tools.Commands;
using RlHarness.Tools.Scaling;

namespace RlHarness.Tools.Tests;

/// <summary>The cost model against sums made by hand, on a cluster with round numbers.</summary>
[Trait("kind", "arithmetic")]
public class ScalingTests
{
    /// <summary>A thousand operations a second, of which half are reached; links of 100 and 10 bytes a second, whole; no latency.</summary>
    private static readonly Cluster Round = new("round", 1000, 8000, 200, 4, 100, 10)
    {
        ProductShare = 0.5,
        MemoryShare = 0.5,
        LinkShare = 1,
        NodeLatency = 0,
        NetworkLatency = 0,
        StatesShare = 0.6,
    };

    /// <summary>Ten weights in one layer of one head of size 1: forward 2 · 10 + 4 c operations, a cache of 4 bytes a position.</summary>
    private static readonly Shape Ten = new("ten", 10, 1, 1, 1, 1, 1);

    [Fact]
    public void A_forward_pass_counts_weights_and_positions()
    {
        Assert.Equal(20 + (4 * 3), Ten.Forward(3));
        Assert.Equal(4, Ten.CacheBytes);
        // Two layers of four heads of size 8, of which two have keys: 2 · 2 (key and value) · 2 layers · 2 · 8 bytes.
        var larger = new Shape("larger", 100, 2, 32, 4, 2, 8);
        Assert.Equal(200 + (4 * 2 * 32 * 5), larger.Forward(5));
        Assert.Equal(128, larger.CacheBytes);
    }

    [Fact]
    public void A_sum_moves_its_bytes_through_links_of_nodes_and_between_them()
    {
        // Four ranks of a node: 2 · 3/4 · 400 bytes at 100 bytes/s.
        Assert.Equal(6, CostModel.AllReduce(400, 4, 1, Round), 9);
        // And three nodes: 2 · 2/3 of the 100 bytes of each rank's part at 10 bytes/s.
        Assert.Equal(6 + (2.0 * 2 / 3 * 100 / 10), CostModel.AllReduce(400, 4, 3, Round), 9);
        Assert.Equal(0, CostModel.AllReduce(400, 1, 1, Round));
        // Hops: 2 · 3 in a ring of four, 2 · 2 in a tree of three nodes.
        var slow = Round with { NodeLatency = 1, NetworkLatency = 100 };
        Assert.Equal(6 + 6 + (2.0 * 2 / 3 * 10) + 400, CostModel.AllReduce(400, 4, 3, slow), 9);
    }

    [Fact]
    public void Memory_is_that_of_two_models_that_learn_and_two_that_are_read()
    {
        // 18 bytes of a weight that learns (4 + 4 + 8 + 2), 6 of one that is read: 2 · 18 + 2 · 6 = 48.
        Assert.Equal(480, CostModel.States(Ten, new(1, 1, 4), sharded: false), 9);
        // Of the 8 bytes of moments each replica keeps a quarter: 2 · (10 + 2) + 12 = 36.
        Assert.Equal(360, CostModel.States(Ten, new(1, 1, 4), sharded: true), 9);
        Assert.Equal(120, CostModel.States(Ten, new(2, 2, 1), sharded: false), 9);
        // 4,800 bytes may be states: 100 weights fit one GPU, 101 need two, 401 more than a node of four, whose next size is a pipeline of two nodes.
        Layout Held(double weights) => CostModel.Smallest(Ten with { Parameters = weights }, 16, Round, sharded: false)!;
        Assert.Equal(new(1, 1, 16), Held(100));
        Assert.Equal(new(2, 1, 8), Held(101));
        Assert.Equal(new(4, 2, 2), Held(401));
        Assert.Null(CostModel.Smallest(Ten with { Parameters = 1e6 }, 16, Round, sharded: false));
    }

    [Fact]
    public void A_step_of_data_parallel_ranks()
    {
        // Eight episodes of 4 + 4 tokens over four ranks of a node: two each. Products reach 500 operations/s, memory 100 bytes/s.
        var cost = CostModel.Step(Ten, new(8, 4, 4, Epochs: 2, Minibatches: 2), new(1, 1, 4), Round);
        // Prompts: 8 tokens of 20 + 4 · 2 operations. Each of 4 tokens: weights 20 bytes and 2 · 6 positions of 4 bytes, against 2 · (20 + 4 · 6) operations.
        Assert.Equal((8 * 28 / 500.0) + (4 * 0.68), cost.Rollout, 9);
        // A pass: 16 tokens of 20 + 4 · 4 operations. Four score; two models learn from two epochs, at three passes each.
        Assert.Equal(4 * 16 * 36 / 500.0, cost.Score, 9);
        Assert.Equal(12 * 16 * 36 / 500.0, cost.Update, 9);
        // Eight steps of an optimizer, 28 bytes a weight; as many sums of 40 bytes.
        Assert.Equal(8 * 280 / 100.0, cost.Optimizer, 9);
        Assert.Equal(8 * 2 * 0.75 * 40 / 100, cost.Gradient, 9);
        Assert.Equal(0, cost.Activations);
        Assert.Equal(cost.Gradient / (cost.Rollout + cost.Score + cost.Update + cost.Optimizer + cost.Gradient), cost.CommunicationShare, 9);
    }

    [Fact]
    public void A_step_of_replicas_in_tensor_and_pipeline_parallel()
    {
        // Two replicas of 4 × 2 GPUs: each has all its GPUs' speed, one node of the network, and a pipeline of two stages and 8 micro-batches.
        var cost = CostModel.Step(Ten, new(2, 4, 4, Epochs: 1, Minibatches: 1), new(4, 2, 2), Round);
        var pass = 8 * 36 / 4000.0;
        Assert.Equal(6 * pass * (1 + (1 / 8.0)), cost.Update, 9);
        // 5 bytes of gradient a GPU, from node to node; two models.
        Assert.Equal(2 * 2 * 0.5 * 5 / 10, cost.Gradient, 9);
        // Prompts 4 tokens, 8 tokens by four scores and four passes of updates: 68, two sums of 2 bytes, half of the layers on each stage.
        Assert.Equal(2 * 0.75 * (68 * 2 * 2 / 2.0) / 100, cost.Activations, 9);
    }

    [Fact]
    public void The_page_has_the_tables_that_the_command_prints()
    {
        var page = File.ReadAllText(Repository.At("docs", "scaling.md")).ReplaceLineEndings("\n");
        Assert.All(ScalingCommand.Tables(Cluster.H100), table => Assert.Contains(table, page, StringComparison.Ordinal));
    }
}
