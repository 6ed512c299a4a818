namespace RlHarness.Experiment.Detectors;

/// <summary>Classes of a judge's answers: those that are none are counted, never dropped.</summary>
public enum JudgeAnswerKind
{
    Answered,

    /// <summary>The judge declined, or its provider filtered the answer.</summary>
    Refused,

    /// <summary>Neither yes nor no.</summary>
    Unparsable,
}
