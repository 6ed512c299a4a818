namespace RlHarness.Models.Families;

/// <summary>
/// What a family's configuration class in transformers 5 takes for the keys that a config.json leaves out; the defaults here are those of
/// <c>LlamaConfig</c>. Files of transformers 4 leave out what equals its base class, such as <c>tie_word_embeddings: true</c>.
/// </summary>
public sealed record FamilyDefaults
{
    public int VocabSize { get; init; } = 32000;
    public int HiddenSize { get; init; } = 4096;
    public int IntermediateSize { get; init; } = 11008;
    public int NumHiddenLayers { get; init; } = 32;
    public int NumAttentionHeads { get; init; } = 32;

    /// <summary>Null: as many as attention heads, which is also what a <c>null</c> in the file means.</summary>
    public int? NumKeyValueHeads { get; init; }

    /// <summary>Null: hidden size by attention heads.</summary>
    public int? HeadDim { get; init; }
    public int MaxPositionEmbeddings { get; init; } = 2048;

    /// <summary>Phi-3's class has this key for all rope types; null: the family has none.</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }
    public double RmsNormEps { get; init; } = 1e-6;
    public bool TieWordEmbeddings { get; init; }
    public double RopeTheta { get; init; } = 10000;

    /// <summary>Rope's base of the sliding layers, where a family has one of their own.</summary>
    public double? LocalRopeTheta { get; init; }
    public string ActivationKey { get; init; } = "hidden_act";
    public string Activation { get; init; } = "silu";
    public int? SlidingWindow { get; init; }

    /// <summary>Whether a part of each head may be rotated alone (<c>partial_rotary_factor</c>).</summary>
    public bool RotatesInPart { get; init; }
    public int? BosTokenId { get; init; } = 1;
    public int? EosTokenId { get; init; } = 2;
    public int? PadTokenId { get; init; }
}
