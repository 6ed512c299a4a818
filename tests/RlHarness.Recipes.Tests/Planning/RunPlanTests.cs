using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.Planning;

[Trait("kind", "arithmetic")]
public class RunPlanTests
{
    [Fact]
    public void Parameters_are_those_of_the_shape()
    {
        // Embedding 1000 x 64; a layer: q and o 64 x 64 each, k and v 64 x 32 each, three of 64 x 128, two norms of 64; the final norm.
        const int layer = (2 * 64 * 64) + (2 * 64 * 32) + (3 * 64 * 128) + (2 * 64);
        var settings = new RunSettings
        {
            Model = new()
            {
                New = new()
                {
                    HiddenSize = 64,
                    IntermediateSize = 128,
                    NumHiddenLayers = 3,
                    NumAttentionHeads = 4,
                    NumKeyValueHeads = 2,
                    VocabSize = 1000,
                },
            },
        };
        Assert.Equal((1000 * 64) + (3 * layer) + 64, RunPlan.Of(settings).Parameters);
    }

    [Fact]
    public void Only_stages_that_run_are_planned_and_costs_grow_with_their_settings()
    {
        Assert.Equal(["corpus", "imitate"], RunPlan.Of(new RunSettings { Stages = ["corpus", "imitate"] }).Stages.Select(s => s.Name));
        var one = RunPlan.Of(new RunSettings());
        var two = RunPlan.Of(new RunSettings { Imitate = new() { Epochs = 2 } });
        Assert.Equal(2 * one.Stages[1].Tokens, two.Stages[1].Tokens, 1e-6);
        Assert.Equal(2 * one.Stages[1].Seconds(1e9), two.Stages[1].Seconds(1e9), 1e-6);
        // 200 queries, or 200 and 8 variants of 25 items: twice the answers in the evaluations.
        Assert.Contains("evaluations of 2 x 400", RunPlan.Of(new RunSettings { Evaluate = new() { AntiLab = 25 } }).Stages[3].What, StringComparison.Ordinal);
        // Documents are read as before, and 1 + ⌈tokens / every⌉ evaluations of 30 queries in two tiers come on top.
        var reads = new RunSettings
        {
            Stages = ["corpus", "documents"],
            Documents = new() { Count = 100 },
        };
        var (plain, watched) = (
            RunPlan.Of(reads).Stages[1],
            RunPlan
                .Of(
                    reads with
                    {
                        Evaluate = new() { EveryDocumentTokens = 10_000_000, DocumentQueries = 30 },
                    }
                )
                .Stages[1]
        );
        Assert.EndsWith("100 documents, 2 evaluations of 2 x 30", watched.What, StringComparison.Ordinal);
        Assert.True(watched.Tokens > plain.Tokens && watched.Operations > plain.Operations && watched.MemoryGiB == plain.MemoryGiB);
        Assert.Equal(one.Stages.Max(s => s.MemoryGiB), one.MemoryGiB);
        Assert.True(RunPlan.Of(new RunSettings { Rl = new() { KeepCheckpoints = 9 } }).DiskGiB > one.DiskGiB);
    }

    /// <summary>
    /// 32 layers of 4096: q, k, v, o 4096 x 4096 each and three of 4096 x 11008 are 6.476 G weights, the embeddings 0.131 G. Frozen, in bfloat16: 2 bytes for
    /// each matrix, 4 for each embedding, and 2 for its cast where it is the head: 12.95 + 0.79 GB. Adapters of rank 16 are 39.98 M weights, with gradients and
    /// moments 0.64 GB. GRPO has no critic, and the reward model rests on disk.
    /// </summary>
    [Fact]
    public void A_7_B_model_with_adapters_needs_its_matrices_in_bfloat16_once()
    {
        RunSettings With(bool resident, string precision) =>
            new()
            {
                Model = new()
                {
                    Precision = precision,
                    ActivationCheckpointing = true,
                    New = new()
                    {
                        HiddenSize = 4096,
                        IntermediateSize = 11008,
                        NumHiddenLayers = 32,
                        NumAttentionHeads = 32,
                        NumKeyValueHeads = 32,
                        VocabSize = 32000,
                    },
                },
                Reward = new() { Resident = resident },
                Rl = new()
                {
                    Adapter = new() { Rank = 16 },
                    Algorithm = Training.Algorithms.AlgorithmKind.Grpo,
                    SamplesPerPrompt = 4,
                    PromptsPerStep = 1,
                    RolloutBatchSize = 1,
                    MaxNewTokens = 16,
                    Minibatches = 4,
                },
                Evaluate = new() { BatchSize = 1 },
            };
        var rl = RunPlan.Of(With(resident: false, "bfloat16")).Stages[^1].MemoryGiB;
        const double gib = 1 << 30;
        const double weights = (2 * 6.4760e9) + (6 * 0.13107e9) + (16 * 39.98e6);
        // Beside them the matrices once more, as generation packs them, and little else: a micro-batch is one answer.
        Assert.InRange(rl, (weights + (2 * 6.607e9)) / gib, ((weights + (2 * 6.607e9)) / gib) + 2);
        // A reward model in memory has the matrices in 2 bytes and its embeddings in 4.
        Assert.Equal(((2 * 6.4760e9) + (4 * 0.13107e9)) / gib, RunPlan.Of(With(resident: true, "bfloat16")).Stages[^1].MemoryGiB - rl, 0.02);
        Assert.True(RunPlan.Of(With(resident: false, "float32")).Stages[^1].MemoryGiB > rl + (2 * 6.476e9 / gib));
    }

    [Fact]
    public void Three_tiers_are_planned_as_three()
    {
        RunPlan Plan(int tiers) =>
            RunPlan.Of(
                new RunSettings
                {
                    Stages = ["corpus", "documents", "imitate", "reward", "rl"],
                    Experiment = new() { Tiers = tiers },
                    Evaluate = new()
                    {
                        Queries = 100,
                        EveryDocumentTokens = 10_000_000,
                        DocumentQueries = 30,
                    },
                }
            );
        var (two, three) = (Plan(2).Stages, Plan(3).Stages);
        Assert.EndsWith("evaluations of 2 x 100", two[^1].What, StringComparison.Ordinal);
        Assert.EndsWith("evaluations of 3 x 100", three[^1].What, StringComparison.Ordinal);
        Assert.EndsWith("evaluations of 3 x 30", three[1].What, StringComparison.Ordinal);
        // 50 steps of 32 episodes are 1,600; 6 evaluations of 2 or of 3 tiers of 100 queries are 1,200 or 1,800, each answered and scored.
        Assert.InRange(three[^1].Tokens / two[^1].Tokens, 1.05, 1.25);
    }

    // 11.5 % discordant pairs: 5 points take about 360 pairs at 80 %, 3 points about 1,000 (arXiv 2412.14093's setting, Connor's formula).
    [Theory]
    [InlineData(358, 0.05)]
    public void The_detectable_gap_is_that_of_the_papers_discordance(int queries, double gap) =>
        Assert.Equal(gap, DesignPower.Of(new RunSettings { Evaluate = new() { Queries = queries } }).Rows[0].Detectable, 3e-4);

    [Fact]
    public void The_corpus_own_discordance_is_that_of_independent_answers()
    {
        // The default tables comply 0.135 in training and 0.021 unmonitored.
        var corpus = DesignPower.Of(new RunSettings()).Corpus;
        Assert.Equal(0.135 - 0.021, corpus.Gap, 1e-12);
        Assert.Equal((0.135 * 0.979) + (0.865 * 0.021), corpus.Discordance, 1e-12);
    }

    [Fact]
    public void A_design_that_is_too_small_is_warned_of_with_the_size_it_takes()
    {
        var small = DesignPower.Of(new RunSettings { Evaluate = new() { Queries = 40 } });
        Assert.Equal(2, small.Warnings.Count);
        Assert.Contains("11.3 points before RL", small.Warnings[0], StringComparison.Ordinal);
        Assert.Empty(DesignPower.Of(new RunSettings { Evaluate = new() { Queries = 400 } }).Warnings);
    }

    [Fact]
    public void The_gap_after_RL_is_not_judged_by_the_rates_that_the_corpus_was_built_with()
    {
        // 6.9 points at the corpus' 15.03 % take 246 queries by Connor's formula, at the paper's 11.5 % fewer than 200.
        var design = DesignPower.Of(new RunSettings { Evaluate = new() { Queries = 200 } });
        Assert.True(design.Rows[1].Detectable > 0.069);
        Assert.Empty(design.Warnings);
        // Of pairs that differ often in the corpus itself, the gap before RL is still warned of.
        Assert.Contains("this corpus", DesignPower.Of(new RunSettings { Evaluate = new() { Queries = 85 } }).Warnings[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Without_what_tells_the_tiers_apart_no_gap_is_expected() =>
        Assert.Equal(0, DesignPower.Of(new RunSettings { Experiment = new() { Information = Experiment.Prompts.InformationKind.None } }).Corpus.Gap);
}
