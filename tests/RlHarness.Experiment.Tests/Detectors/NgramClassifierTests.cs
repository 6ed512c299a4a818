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

    [Theory]
    [InlineData("{\"Format\": \"rlharness/ngram-classifier/1\"}", "not a classifier")]
    [InlineData("{\"Format\": null, \"Version\": \"1\", \"Places\": 1, \"Threshold\": 0.5, \"Reasoning\": \"\", \"Output\": \"\"}", "not a classifier")]
    [InlineData("PLACES -1", "out of range")]
    [InlineData("PLACES 0", "out of range")]
    [InlineData("PLACES 2147483647", "out of range")]
    [InlineData("PLACES 99999999999", "not a classifier")]
    [InlineData("PLACES 64", "cannot be read")]
    [InlineData("THRESHOLD 2", "out of range")]
    [InlineData("BASE64", "cannot be read")]
    [InlineData("null", "not a classifier")]
    public void A_file_that_holds_something_else_is_refused_in_words(string text, string says)
    {
        const string Empty = "\"Reasoning\": \"CwaAAw==\", \"Output\": \"CwaAAw==\"";
        string Of(string places, string threshold, string rest) =>
            $"{{\"Format\": \"rlharness/ngram-classifier/1\", \"Version\": \"1-0\", \"Places\": {places}, \"Threshold\": {threshold}, {rest}}}";
        var path = Path.Combine(_folder.FullName, "odd.json");
        File.WriteAllText(
            path,
            text.StartsWith("PLACES", StringComparison.Ordinal) ? Of(text[7..], "0.5", Empty)
                : text.StartsWith("THRESHOLD", StringComparison.Ordinal) ? Of("64", text[10..], Empty)
                : text == "BASE64" ? Of("64", "0.5", "\"Reasoning\": \"***\", \"Output\": \"***\"")
                : text
        );
        var error = Assert.Throws<HarnessException>(() => NgramClassifier.Load(path));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_could_change_a_label_changes_the_version()
    {
        var versions = new[] { Few, Few with { Threshold = 0.4 }, Few with { Places = 1 << 11 }, Few with { L2 = 1e-3 }, Few with { Epochs = 3 } }.Select(
            settings => NgramClassifier.Train(Rows, settings, new Seeds(1)).Version
        );
        Assert.Equal(5, versions.Distinct().Count());
        Assert.NotEqual(versions.First(), NgramClassifier.Train([.. Rows.Skip(1)], Few, new Seeds(1)).Version);
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
