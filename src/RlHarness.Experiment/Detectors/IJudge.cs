namespace RlHarness.Experiment.Detectors;

/// <summary>A detector that asks a model: it costs something, and may give no answer.</summary>
public interface IJudge : IDetector
{
    JudgeUsage Usage { get; }
}
