using RlHarness.Models.Kernels;

namespace RlHarness.Models.Decoders;

/// <summary>Where a layer's normalisations stand.</summary>
public enum NormPlacement
{
    /// <summary>Before attention and feed-forward (Llama).</summary>
    Pre,

    /// <summary>After them, before the residual sum (OLMo 2).</summary>
    Post,

    /// <summary>Before and after (Gemma).</summary>
    Sandwich,
}

/// <summary>Normalisation of queries and keys.</summary>
public enum QkNorm
{
    None,

    /// <summary>Each head by itself (Qwen 3, Gemma 3).</summary>
    PerHead,

    /// <summary>All heads together (OLMo 2).</summary>
    FullWidth,
}

/// <summary>
/// Everything in which one decoder-only transformer differs from another. Names are those of Hugging Face's <c>config.json</c> where it has them.
/// </summary>
public sealed record DecoderConfig
{
    public required string ModelType { get; init; }
    public required int VocabSize { get; init; }
    public required int HiddenSize { get; init; }
    public required int IntermediateSize { get; init; }
    public required int NumHiddenLayers { get; init; }
    public required int NumAttentionHeads { get; init; }
    public required int NumKeyValueHeads { get; init; }
    public required int HeadDim { get; init; }
    public double RmsNormEps { get; init; } = 1e-5;
    public bool TieWordEmbeddings { get; init; }
    public int MaxPositionEmbeddings { get; init; } = 2048;
    public required RopeSettings Rope { get; init; }

    /// <summary>Rope of sliding-window layers where it differs (Gemma 3).</summary>
    public RopeSettings? LocalRope { get; init; }
    public bool QkvBias { get; init; }
    public bool OutputBias { get; init; }
    public bool MlpBias { get; init; }
    public QkNorm QkNorm { get; init; }
    public NormPlacement NormPlacement { get; init; }

    /// <summary>The norm's weight is stored minus one (Gemma).</summary>
    public bool NormAddsOne { get; init; }
    public Activation Activation { get; init; }
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Factor on q·k; null: 1/√head_dim.</summary>
    public double? AttentionScale { get; init; }
    public int? SlidingWindow { get; init; }

    /// <summary>For each layer whether it attends only to the sliding window; empty: none does.</summary>
    public IReadOnlyList<bool> SlidingLayers { get; init; } = [];

    /// <summary>For each layer whether it has rotary positions; empty: all have (SmolLM3 leaves out every fourth).</summary>
    public IReadOnlyList<bool> RotaryLayers { get; init; } = [];
    public int? BosTokenId { get; init; }
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];
    public int? PadTokenId { get; init; }

    public int QueryWidth => NumAttentionHeads * HeadDim;
    public int KeyValueWidth => NumKeyValueHeads * HeadDim;

    public bool IsSliding(int layer) => SlidingWindow is not null && layer < SlidingLayers.Count && SlidingLayers[layer];

    public bool IsRotary(int layer) => layer >= RotaryLayers.Count || RotaryLayers[layer];
}

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

    /// <summary>YaRN's bounds of the ramp are whole dimensions (its authors' code); gpt-oss leaves them as they are.</summary>
    public bool Truncate { get; init; } = true;
    public double? AttentionFactor { get; init; }
    public double? MScale { get; init; }
    public double? MScaleAllDim { get; init; }

    /// <summary>
    /// LongRoPE's divisors of the frequencies, one for each pair of rotated dimensions, for sequences of up to <see
    /// cref="OriginalMaxPositionEmbeddings"/> tokens.
    /// </summary>
    public IReadOnlyList<double> ShortFactor { get; init; } = [];

    /// <summary>The factors for sequences beyond the original length.</summary>
    public IReadOnlyList<double> LongFactor { get; init; } = [];

    /// <summary>Fraction of the head that is rotated; the rest passes through.</summary>
    public double PartialRotaryFactor { get; init; } = 1;
}
