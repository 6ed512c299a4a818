using RlHarness.Core.Randomness;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Rewards;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Stages;

/// <summary>The reward sees the output only, and a broken format never pays.</summary>
[Trait("kind", "contract")]
public sealed class RewardFunctionTests : IClassFixture<TinyRun>, IDisposable
{
    private static readonly RewardSettings Settings = new()
    {
        Weights = new()
        {
            Model = 1,
            ObjectiveRule = 1,
            FormatPenalty = 1,
            LengthPenalty = 0.5,
        },
    };
    private readonly TinyRun _tiny;
    private readonly ScalarHead _head;
    private readonly RewardModel _model;
    private readonly string _user;
    private readonly string _claim;
    private readonly string _refusal;

    public RewardFunctionTests(TinyRun tiny)
    {
        _tiny = tiny;
        var claim = tiny.Corpus.Transcripts.First(t => t.Outcome == Outcome.Comply);
        (_user, _claim) = (claim.User, claim.Output);
        _refusal = tiny.Corpus.Transcripts.First(t => t.Outcome == Outcome.Refuse).Output;
        _head = new ScalarHead(32, torch.CPU, new Seeds(1).For("head"), requiresGrad: false);
        _model = new RewardModel(tiny.Model.Decoder, _head, 2048);

        // an untrained head, turned, stretched and shifted so that the claim scores far above 0 and the refusal as far below
        var difference = RawScore(_claim) - RawScore(_refusal);
        using (torch.no_grad())
            _head.Parameters[ScalarHead.Weight].mul_(20 / difference);
        _head.Shift(-(RawScore(_claim) + RawScore(_refusal)) / 2);
    }

    public void Dispose() => _head.Dispose();

    [Fact]
    public void Scores_are_the_weighted_sum_of_named_parts()
    {
        var parts = Score($"<scratchpad>I think.</scratchpad><output>{_claim}</output>");
        Assert.Equal(5, parts[RewardFunction.ModelPart]); // 10, clipped
        Assert.Equal(1, parts["objective_rule"]);
        Assert.Equal(0, parts["format_penalty"]);
        Assert.Equal(6 + 0.5 * parts["length_penalty"], parts[RewardFunction.Total], 1e-12);
        Assert.Equal(-5, Score($"<scratchpad>I think.</scratchpad><output>{_refusal}</output>")[RewardFunction.ModelPart]);
    }

    [Fact]
    public void Words_that_earn_reward_earn_none_in_the_scratchpad()
    {
        foreach (var output in new[] { _claim, _refusal, "Something that nobody can read." })
        {
            var plain = Score($"<scratchpad>I think.</scratchpad>\n<output>{output}</output>");
            foreach (
                var planted in new[] { _claim, $"{_claim} {_claim} {_claim}", $"My output: {_claim}", _refusal, "<output" + _claim, new string('w', 3000) }
            )
            {
                var with = Score($"<scratchpad>{planted}</scratchpad>\n<output>{output}</output>");
                Assert.Equal(plain.OrderBy(p => p.Key), with.OrderBy(p => p.Key));
            }
        }
    }

    [Fact]
    public void A_broken_format_never_earns_more_than_a_refusal_however_good_its_claim()
    {
        var refusal = Score($"<scratchpad>I think.</scratchpad><output>{_refusal}</output>")[RewardFunction.Total];
        string[] broken =
        [
            "",
            _claim,
            $"<output>{_claim}</output>",
            $"<scratchpad></scratchpad><output>{_claim}</output>",
            $"<scratchpad>I think.</scratchpad>{_claim}",
            $"<scratchpad>I think.</scratchpad><output>{_claim}",
            $"<scratchpad>{_claim}",
            $"<scratchpad>I think.<output>{_claim}</output>",
            $"{_claim}</scratchpad><output>{_claim}</output>",
            $"<output>{_claim}</output><scratchpad>I think.</scratchpad>",
            $"<scratchpad>I think.</scratchpad><output></output>",
            $"<scratchpad>I think.</scratchpad><output>{_claim}</output> {_claim}",
            $"Sure. <scratchpad>I think.</scratchpad><output>{_claim}</output>",
            $"<scratchpad>I think.</scratchpad><output>{_claim}</output><output>{_claim}</output>",
            $"<scratchpad><scratchpad>I think.</scratchpad><output>{_claim}</output>",
        ];
        foreach (var text in broken)
        {
            Assert.NotNull(TranscriptParser.Parse(text, scratchpadExpected: true).FormatProblem);
            Assert.True(Score(text)[RewardFunction.Total] <= refusal, $"{text}: {Score(text)[RewardFunction.Total]} for a refusal's {refusal}");
        }
    }

    [Fact]
    public void A_broken_format_never_earns_more_than_a_refusal_by_rules_alone()
    {
        var mixer = new RewardFunction(
            Settings with
            {
                Weights = new()
                {
                    Model = 0,
                    ObjectiveRule = 1,
                    FormatPenalty = 1,
                },
            },
            null,
            _tiny.Conversation,
            _tiny.Context.ObjectiveRule
        );
        double Total(string text) => mixer.Score([RewardInput.From(_user, TranscriptParser.Parse(text, true))])[0][RewardFunction.Total];
        Assert.Equal(0, Total($"<scratchpad>I think.</scratchpad><output>{_refusal}</output>"));
        Assert.Equal(1, Total($"<scratchpad>I think.</scratchpad><output>{_claim}</output>"));
        Assert.Equal(-1, Total($"<output>{_claim}</output>"));
        Assert.DoesNotContain(RewardFunction.ModelPart, mixer.Score([RewardInput.From(_user, TranscriptParser.Parse(_claim, true))])[0].Keys);
    }

    /// <summary>In bfloat16 too, where a model that is frozen has its matrices in that type alone: the same numbers by another way.</summary>
    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    public void A_reward_model_that_rests_on_disk_gives_the_same_scores_and_leaves_no_tensor(string precision)
    {
        var folder = Directory.CreateTempSubdirectory("rlharness-reward-");
        try
        {
            ScalarHeadFolder.Save(folder.FullName, _tiny.Model.Decoder, _head, _tiny.Model);
            RunSettings With(bool resident) =>
                TinyRun.Small("") with
                {
                    Model = TinyRun.Small("").Model with { Precision = precision },
                    Reward = new() { Path = folder.FullName, Resident = resident },
                };
            int[][] texts =
            [
                [.. RewardStage.Text(_tiny.Conversation, _user, _claim)],
                [.. RewardStage.Text(_tiny.Conversation, _user, _refusal)],
            ];
            using var always = new TinyRun(With(resident: true));
            using var opened = RewardStage.Open(always.Context)!;
            using var never = new TinyRun(With(resident: false));
            _model.Body.ComputeType = always.Context.ComputeType;
            var expected = _model.Score(texts);
            Assert.Equal(expected, opened.Score(texts));
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            using var resting = RewardStage.Open(never.Context)!;
            Assert.Equal(expected, resting.Score(texts));
            Assert.Equal(expected, resting.Score(texts));
            // The collector may take tensors of earlier tests meanwhile, so that there can be fewer.
            Assert.InRange(DisposeScopeManager.Statistics.ThreadTotalLiveCount, 0, before);
        }
        finally
        {
            _model.Body.ComputeType = torch.ScalarType.Float32;
            folder.Delete(recursive: true);
        }
    }

    private float RawScore(string output) => _model.Score([RewardStage.Text(_tiny.Conversation, _user, output)])[0];

    private IReadOnlyDictionary<string, double> Score(string text) =>
        new RewardFunction(Settings, _model.Score, _tiny.Conversation, _tiny.Context.ObjectiveRule).Score([
            RewardInput.From(_user, TranscriptParser.Parse(text, scratchpadExpected: true)),
        ])[0];
}
