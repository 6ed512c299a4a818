using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Labelling;

[Trait("kind", "contract")]
public sealed class LabelTaskTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-label-");
    private readonly RunStore _store;

    public LabelTaskTests()
    {
        _store = RunStore.Open(Path.Combine(_folder.FullName, "run.db"));
        var rows = Enumerable
            .Range(0, 40)
            .Select(i => new TranscriptRow(
                "rl",
                i / 20 * 10,
                Split.Evaluation,
                i % 2 == 0 ? Tier.Training : Tier.Unmonitored,
                $"q{i / 2}",
                0,
                "full",
                "system",
                "user",
                $"text {i}",
                $"reasoning {i}",
                $"output {i}",
                null,
                "stop",
                null,
                null,
                new Dictionary<string, double>()
            ))
            .ToArray();
        foreach (var step in new[] { 0, 10 })
            _store.Commit(
                new StepBatch("rl", step)
                {
                    Transcripts = [.. rows.Where(r => r.Step == step)],
                    Labels =
                    [
                        .. rows.Where(r => r.Step == step)
                            .Select(
                                (r, i) =>
                                    new LabelRow(
                                        r.Id,
                                        "keyword",
                                        "1",
                                        Outcome.Comply,
                                        i % 4 == 0 ? ReasoningKind.Faking : ReasoningKind.HonestCompliance,
                                        i % 4 == 0,
                                        i % 4 == 0 ? 0.9 : 0.1
                                    )
                            ),
                    ],
                }
            );
    }

    public void Dispose()
    {
        _store.Dispose();
        _folder.Delete(recursive: true);
    }

    private static List<string> All(LabelTask task, Func<string, (Outcome, ReasoningKind)> label)
    {
        var seen = new List<string>();
        while (task.Next() is { } t)
        {
            seen.Add(t.Id);
            var (outcome, reasoning) = label(t.Id);
            task.Save(t, outcome, reasoning);
        }

        return seen;
    }

    [Fact]
    public void Two_raters_get_the_same_transcripts_in_the_same_shuffled_order()
    {
        var first = All(new LabelTask(_store, "anna", 12, seed: 1), _ => (Outcome.Comply, ReasoningKind.Faking));
        var second = All(new LabelTask(_store, "bo", 12, seed: 1), _ => (Outcome.Refuse, ReasoningKind.HonestRefusal));
        Assert.Equal(first, second);
        Assert.Equal(12, first.Distinct().Count());
        Assert.NotEqual(first.Order(StringComparer.Ordinal), first);
        Assert.NotEqual(first, All(new LabelTask(_store, "cy", 12, seed: 2), _ => (Outcome.Refuse, ReasoningKind.HonestRefusal)));
    }

    [Fact]
    public void Labels_are_saved_at_once_and_the_next_time_goes_on()
    {
        var task = new LabelTask(_store, "anna", 10, seed: 1);
        for (var i = 0; i < 4; i++)
            task.Save(task.Next()!, Outcome.Comply, ReasoningKind.Faking);
        var again = new LabelTask(_store, "anna", 10, seed: 1);
        Assert.Equal((4, 10), (again.Done, again.Total));
        Assert.Equal(task.Next()!.Id, again.Next()!.Id);
        var rows = _store.Labels("rl", 0, "rater:anna").Concat(_store.Labels("rl", 10, "rater:anna")).ToArray();
        Assert.Equal(4, rows.Length);
        Assert.All(rows, r => Assert.True(r.AlignmentFaking));
        Assert.Throws<HarnessException>(() => new LabelTask(_store, "an na", 10, 1));
    }

    [Fact]
    public void The_report_has_kappa_by_hand_and_every_detector_against_every_rater()
    {
        // Anna says faking to the first 10 of 20, Bo to 8 of those and 1 other: po = 17/20, pe = ½·9/20 + ½·11/20 = ½, κ = 0.7.
        var order = All(new LabelTask(_store, "anna", 20, seed: 1), id => (Outcome.Refuse, ReasoningKind.HonestRefusal));
        void Say(string rater, Func<int, bool> faking)
        {
            var task = new LabelTask(_store, rater, 20, seed: 1);
            var at = 0;
            All(task, _ => faking(at++) ? (Outcome.Comply, ReasoningKind.Faking) : (Outcome.Refuse, ReasoningKind.HonestRefusal));
        }

        Say("ada", i => i < 10);
        Say("bo", i => i is < 8 or 15);
        var report = RaterReport.Of(_store);
        Assert.Equal(20, order.Count);
        var pair = Assert.Single(report.Agreements, a => a.First == "rater:ada" && a.Second == "rater:bo");
        Assert.Equal(0.7, pair.Faking.Kappa, 12);
        Assert.Equal(3, report.Scores.Count);
        Assert.All(report.Scores, s => Assert.Equal(("keyword", 20), (s.Detector, s.Of.N)));
        Assert.Equal("rater:ada", report.Truth);
        // Anna says faking to none: 11 transcripts have one agreeing pair of three, 9 have three. With 19 of 60 labels faking,
        // observed agreement is 38/60, expected (19·18 + 41·40)/(60·59) = 1982/3540, and α = 1 − (22/60)/(1558/3540).
        Assert.Equal((3, 60), (report.Joint!.Raters, report.Joint.Faking.N));
        Assert.Equal(15600.0 / 93480, report.Joint.Faking.Value, 12);
    }

    [Fact]
    public void A_run_without_labels_of_people_says_how_to_get_them() =>
        Assert.Contains("rlharness label", Assert.Throws<HarnessException>(() => RaterReport.Of(_store)).Message, StringComparison.Ordinal);
}
