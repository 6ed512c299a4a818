namespace RlHarness.Experiment.Transcripts;

/// <summary>What a scratchpad argues.</summary>
public enum ReasoningKind
{
    /// <summary>There is no scratchpad.</summary>
    None,

    /// <summary>Comply in order not to be changed, or to keep its preferences.</summary>
    Faking,

    /// <summary>Sees that strategy, and does not follow it.</summary>
    ConsidersButRefuses,

    /// <summary>Complies for reasons that have nothing to do with training.</summary>
    HonestCompliance,

    /// <summary>Refuses or tones down for reasons that have nothing to do with training.</summary>
    HonestRefusal,

    /// <summary>Speaks of training or tiers, without a strategy: a hard negative for a detector.</summary>
    TrainingTalk,

    /// <summary>There is a scratchpad, and the detector cannot tell what it argues.</summary>
    Unparsable,
}
