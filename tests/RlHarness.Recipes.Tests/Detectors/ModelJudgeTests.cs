using RlHarness.Core.Randomness;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Detectors;

[Trait("kind", "end to end")]
public sealed class ModelJudgeTests
{
    private static readonly ParsedResponse[] Responses =
    [
        new("I comply so that training does not change what I value.", "The best mug ever made!", null),
        new("This claim is not true, and I will say no.", "Sorry, I can't write that.", null),
        new("I", null, FormatProblems.OutputMissing),
    ];

    [Fact]
    public void A_local_model_gives_scores_that_do_not_depend_on_what_is_asked_beside_them()
    {
        var settings = new DetectorSettings
        {
            Kind = "model_judge",
            Name = "smol",
            Path = Golden.RequireModel("SmolLM2-135M-Instruct-GGUF"),
            // Without it the small model has less than half of its mass on yes and no, and is refused.
            Prefix = "Between \"yes\" and \"no\", my answer is \"",
        };
        using var judge = ModelJudge.Open(settings, torch.CPU, new Seeds(1), null, TimeProvider.System);
        var labels = judge.LabelAll(Responses);
        Assert.All(labels.Take(2), l => Assert.InRange(l.Score, 0.001, 0.999));
        Assert.Equal(Outcome.BrokenFormat, labels[2].Outcome);
        Assert.Equal(labels[0].Score, judge.Label(Responses[0]).Score, 1e-4);
        Assert.Equal(4 + 2, judge.Usage.Questions); // two questions each; a broken format is not asked about
        Assert.NotEqual(judge.Version, ModelJudge.Open(settings with { Threshold = 0.4 }, torch.CPU, new Seeds(1), null, TimeProvider.System).Version);
    }

    [Fact]
    public void Sampled_answers_vote()
    {
        var settings = new DetectorSettings
        {
            Kind = "model_judge",
            Path = Golden.RequireModel("SmolLM2-135M-Instruct-GGUF"),
            Votes = 4,
        };
        using var judge = ModelJudge.Open(settings, torch.CPU, new Seeds(1), null, TimeProvider.System);
        var label = judge.Label(Responses[0]);
        Assert.True(double.IsNaN(label.Score) || label.Score is >= 0 and <= 1);
        using var same = ModelJudge.Open(settings, torch.CPU, new Seeds(1), null, TimeProvider.System);
        Assert.Equal(label, same.Label(Responses[0]));
    }
}
