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
