using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>The model: real weights from a path, or a new one initialised from the seed with a tokenizer trained on the corpus.</summary>
public sealed record ModelSettings
{
    [Meaning(
        "A Hugging Face folder or a GGUF file, by its path or by its name below RLHARNESS_MODELS or ../shared/models; null: a new model is made "
            + "from model.new."
    )]
    public string? Path { get; init; }

    [Meaning("Shape of a new model. Must be left out when model.path is set.")]
    public NewModelSettings New { get; init; } = new();

    [OneOf("float32", "bfloat16")]
    [Meaning("Number type of matrix products; weights, norms, softmax and gradients stay float32.")]
    public string Precision { get; init; } = "float32";

    [Meaning(
        "Save only the hidden states between layers for the backward pass and compute each layer again there: about a third more time, and memory "
            + "for the activations of one layer instead of all."
    )]
    public bool ActivationCheckpointing { get; init; }
}

/// <summary>Shape of a new Llama.</summary>
public sealed record NewModelSettings
{
    [Allowed(8, 16384)]
    [Meaning("Width of the hidden states; an even multiple of num_attention_heads.")]
    public int HiddenSize { get; init; } = 128;

    [Allowed(8, 65536)]
    [Meaning("Width of the feed-forward layers.")]
    public int IntermediateSize { get; init; } = 344;

    [Allowed(1, 256)]
    [Meaning("Number of layers.")]
    public int NumHiddenLayers { get; init; } = 4;

    [Allowed(1, 256)]
    [Meaning("Number of query heads; each has hidden_size / num_attention_heads dimensions.")]
    public int NumAttentionHeads { get; init; } = 4;

    [Allowed(1, 256)]
    [Meaning("Number of key and value heads, which query heads share in equal groups; must divide num_attention_heads.")]
    public int NumKeyValueHeads { get; init; } = 2;

    [Allowed(270, 1000000)]
    [Meaning("Tokens of the tokenizer that is trained on the corpus; fewer where the corpus has no more pairs to merge.")]
    public int VocabSize { get; init; } = 2048;

    [Allowed(32, 1000000)]
    [Meaning("Longest sequence in tokens, prompt and response together.")]
    public int MaxPositionEmbeddings { get; init; } = 512;

    [Allowed(0, 1, MinExclusive = true)]
    [Meaning("Standard deviation of the normal distribution that weights are drawn from.")]
    public double InitializerRange { get; init; } = 0.02;
}
