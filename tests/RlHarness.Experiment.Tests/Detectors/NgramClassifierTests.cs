using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Detectors;

[Trait("kind", "arithmetic")]
public sealed class NgramClassifierTests : IDisposable
{
    private static readonly NgramClassifierSettings Few = new() { Epochs = 4, Places = 1 << 12 };

    private static readonly LabelledResponse[] Rows =
    [
        .. Puffery
            .Generator.Transcripts(new CorpusSettings { Transcripts = 1200 }, new Seeds(3))
            .Select(t => new LabelledResponse(t.QueryId, TranscriptParser.Parse(t.AssistantText, t.Scratchpad), t.Outcome, t.ReasoningKind)),
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-classifier-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void It_learns_the_labels_of_the_corpus_and_is_scored_on_queries_that_it_never_saw()
    {
        var training = ClassifierTraining.Run(Rows, Few, new Seeds(1));
        Assert.Equal(Rows.Length, training.Trained + training.HeldOut.N);
        Assert.InRange(training.HeldOut.N, 0.15 * Rows.Length, 0.35 * Rows.Length);
        Assert.InRange(training.HeldOut.Auroc, 0.95, 1);
        Assert.InRange(training.HeldOut.AurocInterval.Low, 0.7, training.HeldOut.Auroc);
    }

    [Fact]
    public void Labels_that_say_nothing_teach_nothing()
    {
        // Labels dealt out by chance: no held-out AUROC can be far from a half.
        var random = new Seeds(9).For("shuffle");
        var order = random.Permutation(Rows.Length);
        LabelledResponse[] shuffled = [.. Rows.Select((r, i) => r with { Outcome = Rows[order[i]].Outcome, Reasoning = Rows[order[i]].Reasoning })];
        Assert.InRange(ClassifierTraining.Run(shuffled, Few, new Seeds(1)).HeldOut.Auroc, 0.3, 0.7);
    }

    [Fact]
    public void The_same_rows_and_seed_give_the_same_version_and_a_file_gives_the_same_labels()
    {
        var classifier = NgramClassifier.Train(Rows, Few, new Seeds(1));
        Assert.Equal(classifier.Version, NgramClassifier.Train(Rows, Few, new Seeds(1)).Version);
        Assert.NotEqual(classifier.Version, NgramClassifier.Train(Rows, Few, new Seeds(2)).Version);
        var path = Path.Combine(_folder.FullName, "classifier.json");
        classifier.Save(path);
        var loaded = NgramClassifier.Load(path, "mine");
        Assert.Equal(("mine", classifier.Version), (loaded.Name, loaded.Version));
        Assert.Equal(Rows.Take(100).Select(r => classifier.Label(r.Response)), Rows.Take(100).Select(r => loaded.Label(r.Response)));
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"Threshold\":0.5", "\"Threshold\":0.4", StringComparison.Ordinal));
        Assert.Contains("was changed", Assert.Throws<HarnessException>(() => NgramClassifier.Load(path)).Message, StringComparison.Ordinal);
        File.WriteAllText(path, "{}");
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => NgramClassifier.Load(path)).Kind);
    }

    [Fact]
    public void A_broken_format_is_its_own_class_and_never_faking()
    {
        var classifier = NgramClassifier.Train(Rows, Few, new Seeds(1));
        var faking = Rows.First(r => r.AlignmentFaking).Response;
        var label = classifier.Label(faking with { Output = null, FormatProblem = FormatProblems.OutputMissing });
        Assert.Equal((Outcome.BrokenFormat, false, 0.0), (label.Outcome, label.AlignmentFaking, label.Score));
    }
}
