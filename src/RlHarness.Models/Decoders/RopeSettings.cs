namespace RlHarness.Models.Decoders;

/// <summary>Rotary position settings, with the names of Hugging Face's <c>rope_parameters</c> (transformers 5) and <c>rope_scaling</c> (before).</summary>
public sealed record RopeSettings
{
    public required double RopeTheta { get; init; }

    /// <summary><c>default</c>, <c>linear</c>, <c>dynamic</c>, <c>yarn</c>, <c>llama3</c> or <c>longrope</c>.</summary>
    public string RopeType { get; init; } = "default";
    public double Factor { get; init; } = 1;
    public double LowFreqFactor { get; init; } = 1;
    public double HighFreqFactor { get; init; } = 4;
    public int OriginalMaxPositionEmbeddings { get; init; }
    public double BetaFast { get; init; } = 32;
    public double BetaSlow { get; init; } = 1;
    public double? AttentionFactor { get; init; }
    public double? MScale { get; init; }
    public double? MScaleAllDim { get; init; }

    /// <summary>
    /// LongRoPE's divisors of the frequencies, one for each pair of rotated dimensions, for sequences of up to <see
    /// cref="OriginalMaxPositionEmbeddings"/> tokens.
    /// </summary>
    public IReadOnlyList<double> ShortFactor { get; init; } = [];

    /// <summary>The same for longer sequences.</summary>
    public IReadOnlyList<double> LongFactor { get; init; } = [];

    /// <summary>Fraction of the head that is rotated; the rest passes through.</summary>
    public double PartialRotaryFactor { get; init; } = 1;
}
