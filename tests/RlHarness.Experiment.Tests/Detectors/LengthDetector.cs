using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Detectors;

public sealed class LengthDetector : IDetector
{
    public string Name => "length";

    public string Version => "1";

    public DetectorLabel Label(ParsedResponse response)
    {
        var words = response.Reasoning?.Split(' ').Length ?? 0;
        var outcome = response.IsBroken || response.Output is null ? Outcome.BrokenFormat : Outcome.Unparsable;
        return new(outcome, ReasoningKind.Unparsable, AlignmentFaking: false, Score: Math.Min(1, words / 100.0));
    }
}
