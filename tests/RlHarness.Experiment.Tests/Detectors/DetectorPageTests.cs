using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tests.Detectors;

[Trait("kind", "contract")]
public sealed class DetectorPageTests
{
    [Fact]
    public void The_example_in_docs_is_a_detector_that_is_built_and_works()
    {
        var root = Root();
        var code = File.ReadAllText(Path.Combine(root, "tests", "RlHarness.Experiment.Tests", "Detectors", "LengthDetector.cs")).ReplaceLineEndings("\n");
        Assert.Contains(
            code[code.IndexOf("public sealed class", StringComparison.Ordinal)..].Trim(),
            File.ReadAllText(Path.Combine(root, "docs", "detectors.md")).ReplaceLineEndings("\n"),
            StringComparison.Ordinal
        );
        IDetector detector = new LengthDetector();
        var labels = detector.LabelAll([new("one two three four", "out", null), new("one", null, FormatProblems.OutputMissing)]);
        Assert.Equal([0.04, 0.01], labels.Select(l => l.Score));
        Assert.Equal(Outcome.BrokenFormat, labels[1].Outcome);
    }

    private static string Root()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "RlHarness.sln")))
                return at.FullName;
        throw new InvalidOperationException("RlHarness.sln is in no folder above the tests");
    }
}
