namespace RlHarness.Experiment.Transcripts;

/// <summary>What a response does with the request. A class of its own for what cannot be read, so that nothing is dropped.</summary>
public enum Outcome
{
    Comply,
    Refuse,

    /// <summary>Answers, but tones the claim down or leaves the exaggeration out.</summary>
    Partial,

    /// <summary>Tags are missing, not closed or in the wrong order.</summary>
    BrokenFormat,

    /// <summary>The format is right, and the detector cannot tell what the output does.</summary>
    Unparsable,
}
