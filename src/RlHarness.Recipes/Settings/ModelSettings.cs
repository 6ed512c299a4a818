using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>The model: real weights from a path, or a new one initialised from the seed with a tokenizer trained on the corpus.</summary>
public sealed record ModelSettings
{
    [Meaning("A Hugging Face folder or a GGUF file, below RLHARNESS_MODELS, ../shared/models, or here; null makes a new model.")]
    public string? Path { get; init; }

    public NewModelSettings New { get; init; } = new();

    [OneOf("float32", "bfloat16")]
    [Meaning("Type of the matrix products; weights, norms, softmax and gradients stay float32.")]
    public string Precision { get; init; } = "float32";

    [Meaning(
        "Keep only the stream between layers for the backward pass and compute each layer once more: a third more time, memory for one layer in place of all."
    )]
    public bool ActivationCheckpointing { get; init; }
}

/// <summary>Shape of a new Llama.</summary>
public sealed record NewModelSettings
{
    [Allowed(8, 16384)]
    public int HiddenSize { get; init; } = 128;

    [Allowed(8, 65536)]
    public int IntermediateSize { get; init; } = 344;

    [Allowed(1, 256)]
    public int NumHiddenLayers { get; init; } = 4;

    [Allowed(1, 256)]
    public int NumAttentionHeads { get; init; } = 4;

    [Allowed(1, 256)]
    public int NumKeyValueHeads { get; init; } = 2;

    [Allowed(270, 1000000)]
    [Meaning("Size of the tokenizer that is trained on the corpus.")]
    public int VocabSize { get; init; } = 2048;

    [Allowed(32, 1000000)]
    public int MaxPositionEmbeddings { get; init; } = 512;

    [Allowed(0, 1, MinExclusive = true)]
    public double InitializerRange { get; init; } = 0.02;
}
