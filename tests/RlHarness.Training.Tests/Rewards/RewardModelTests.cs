using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Training.Optimization;
using RlHarness.Training.Rewards;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Rewards;

[Trait("kind", "arithmetic")]
public sealed class RewardModelTests
{
    private static RewardModel Model(int microBatchTokens = 64) => new(Tiny.Decoder(requiresGrad: true, withHead: false), Tiny.Head(), microBatchTokens);

    /// <summary>The chosen text holds a 5 where the rejected one holds a 6.</summary>
    private static RewardModelTrainer.Pair[] Pairs(int count, string name)
    {
        var random = new Seeds(5).For(name);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ =>
                {
                    var (before, after) = (Tiny.Ids(random, 1 + random.NextInt(4)), Tiny.Ids(random, random.NextInt(3)));
                    return new RewardModelTrainer.Pair([.. before, 5, .. after], [.. before, 6, .. after]);
                }),
        ];
    }

    [Fact]
    public void Pairs_that_one_token_separates_are_learnt_and_held_out_ones_are_ordered()
    {
        using var model = Model();
        using var trainer = new RewardModelTrainer(model, new AdamWSettings { LearningRate = 1e-2 }, centering: 0.01, microBatchTokens: 64);
        var held = Pairs(40, "held out");
        Assert.True(trainer.Evaluate(held).Accuracy < 1);
        for (var step = 0; step < 40; step++)
            trainer.Step(Pairs(16, $"train {step}"), 1e-2);
        Assert.Equal(1, trainer.Evaluate(held).Accuracy);
    }

    [Fact]
    public void Scores_and_losses_that_are_not_finite_are_refused()
    {
        using var model = Model();
        using (no_grad())
            model.Body.Parameters["model.norm.weight"].fill_(float.NaN);
        using var trainer = new RewardModelTrainer(model, new AdamWSettings { LearningRate = 1e-2 }, centering: 0.01, microBatchTokens: 64);
        foreach (
            var (act, what) in new (Action, string)[]
            {
                (
                    () =>
                        model.Score([
                            [1, 2],
                            [3],
                        ]),
                    "the reward model's score of text "
                ),
                (() => trainer.Step(Pairs(4, "pairs"), 1e-2), "the loss of the reward model is not finite"),
            }
        )
        {
            var error = Assert.Throws<HarnessException>(act);
            Assert.Equal(ErrorKind.Numerics, error.Kind);
            Assert.StartsWith(what, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Splitting_pairs_into_micro_batches_changes_no_gradient_and_no_figure()
    {
        using var scope = NewDisposeScope();
        (Tensor Gradient, RewardModelTrainer.StepResult Result) Run(int budget)
        {
            using var model = Model();
            using var trainer = new RewardModelTrainer(model, new AdamWSettings { LearningRate = 1e-2 }, centering: 0.1, microBatchTokens: budget);
            var result = trainer.Step(Pairs(12, "pairs"), 1e-2);
            return (cat([model.Body.Parameters.Gradient!.clone(), model.Head.Parameters.Gradient!.clone()], 0), result);
        }

        var (whole, result) = Run(4096);
        var (parts, split) = Run(24);
        Assert.True(Tiny.RelativeError(parts, whole) <= 1e-5);
        Assert.Equal(result.Loss, split.Loss, 1e-5);
        Assert.Equal(result.Accuracy, split.Accuracy, 1e-9);
        Assert.Equal(result.GradientNorm, split.GradientNorm, 1e-4);
    }

    [Fact]
    public void A_score_depends_neither_on_the_order_nor_on_the_company_of_texts()
    {
        using var model = Model(20);
        var texts = Pairs(8, "texts").Select(p => p.Chosen).ToArray();
        var together = model.Score(texts);
        var backwards = model.Score([.. texts.Reverse()]).Reverse().ToArray();
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.Equal(together[i], backwards[i], 1e-5f);
            Assert.Equal(together[i], model.Score([texts[i]])[0], 1e-5f);
        }

        Assert.True(together.Distinct().Count() > 4);
    }

    [Fact]
    public void A_score_is_read_at_the_last_token()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        int[] text = [3, 9, 4, 17];
        using var batch = TokenBatch.Pack([text], CPU);
        var state = model.Body.Forward(batch)[3].detach(); // [H]
        var want = (state * model.Head.Parameters[ScalarHead.Weight][0]).sum().item<float>();
        Assert.Equal(want, model.Score([text])[0], 1e-5f);
        model.Head.Shift(2.5);
        Assert.Equal(want + 2.5f, model.Score([text])[0], 1e-5f);
    }

    [Fact]
    public void A_fresh_head_has_deviation_one_over_root_of_width_plus_one_and_no_bias()
    {
        const int width = 4096;
        using var head = new ScalarHead(width, CPU, new Seeds(8).For("head"));
        var drawn = head.Parameters[ScalarHead.Weight].detach().data<float>().ToArray().Select(x => (double)x).ToArray();
        var sigma = 1 / Math.Sqrt(width + 1);
        // the standard error of a deviation is σ/√(2n), that of a mean σ/√n
        Assert.Equal(sigma, Math.Sqrt(drawn.Average(x => x * x)), 4 * sigma / Math.Sqrt(2 * width));
        Assert.Equal(0, drawn.Average(), 4 * sigma / Math.Sqrt(width));
        Assert.Equal(0, head.Parameters[ScalarHead.Bias].detach().item<float>());
    }

    [Fact]
    public void A_step_and_a_score_leave_no_tensor_behind()
    {
        using var model = Model(32);
        using var trainer = new RewardModelTrainer(model, new AdamWSettings { LearningRate = 1e-3 }, 0.01, 32);
        var pairs = Pairs(8, "pairs");
        trainer.Step(pairs, 1e-3);
        var before = Tiny.LiveTensors();
        trainer.Step(pairs, 1e-3);
        trainer.Evaluate(pairs);
        Assert.Equal(before, Tiny.LiveTensors());
    }
}
