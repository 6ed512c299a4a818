using System.Text.Json.Nodes;
using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>
/// What one model family adds to the common decoder: its configuration's differences and its names. Adding one is one small class
/// (docs/model-families.md).
/// </summary>
public interface IDecoderFamily
{
    /// <summary><c>model_type</c> in config.json.</summary>
    string ModelType { get; }

    /// <summary>Hugging Face's class for causal language modelling.</summary>
    string Architecture { get; }

    /// <summary>Hugging Face's class with a head for labels, which reward models and critics are saved as.</summary>
    string SequenceClassification => Architecture.Replace("ForCausalLM", "ForSequenceClassification", StringComparison.Ordinal);

    /// <summary>q, k, v and gate, up are one tensor each in the files (Phi-3).</summary>
    bool FusedOnDisk => false;

    /// <summary><c>general.architecture</c> of GGUF files, or null where GGUF is not supported.</summary>
    string? GgufArchitecture => null;

    /// <summary>GGUF files of this family hold q and k with interleaved rotary rows.</summary>
    bool GgufInterleavesRotary => false;

    /// <summary>Values of the keys that a config.json leaves out.</summary>
    FamilyDefaults Defaults { get; }

    DecoderConfig Read(ConfigReader reader);

    /// <summary>The family's own keys, for config.json of a model that was made here.</summary>
    void Write(DecoderConfig config, JsonObject json) { }
}

/// <summary>The families that are known. A new one is added to this list, and nowhere else.</summary>
public static class DecoderFamilies
{
    public static IReadOnlyList<IDecoderFamily> All { get; } =
    [new Llama(), new SmolLm3(), new Qwen2(), new Qwen3(), new Mistral(), new Olmo2(), new Phi3(), new Gemma3()];

    public static IDecoderFamily? Find(string modelType) => All.FirstOrDefault(f => f.ModelType == modelType);

    public static IDecoderFamily? FindGguf(string architecture) => All.FirstOrDefault(f => f.GgufArchitecture == architecture);

    public static string Names => string.Join(", ", All.Select(f => f.ModelType));
}

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
