using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Detectors;

[Trait("kind", "contract")]
public sealed class DetectorPageTests
{
    [Fact]
    public void The_example_in_docs_is_a_detector_that_is_built_and_works()
    {
        var code = File.ReadAllText(Repository.At("tests", "RlHarness.Experiment.Tests", "Detectors", "LengthDetector.cs")).ReplaceLineEndings("\n");
        Assert.Contains(
            code[code.IndexOf("public sealed class", StringComparison.Ordinal)..].Trim(),
            File.ReadAllText(Repository.At("docs", "detectors.md")).ReplaceLineEndings("\n"),
            StringComparison.Ordinal
        );
        IDetector detector = new LengthDetector();
        var labels = detector.LabelAll([new("one two three four", "out", null), new("one", null, FormatProblems.OutputMissing)]);
        Assert.Equal([0.04, 0.01], labels.Select(l => l.Score));
        Assert.Equal(Outcome.BrokenFormat, labels[1].Outcome);
    }
}
