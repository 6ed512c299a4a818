using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using TorchSharp;

namespace RlHarness.Models.Loading;

/// <summary>Writes a model as a Hugging Face folder that transformers opens.</summary>
public static class ModelSaver
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes a model with everything that ends its answers and the other keys of its source's generation_config.json.</summary>
    public static void Save(string folder, LoadedModel model) =>
        Write(
            folder,
            Sources(model.Decoder),
            Config(model.ConfigJson, model.Family.Architecture, WeightType.F32),
            model.Tokenizer,
            model.Generation,
            model.StopIds
        );

    public static void Save(string folder, Decoder decoder, IDecoderFamily family, JsonObject configJson, Tokenizer? tokenizer) =>
        Write(folder, Sources(decoder), Config(configJson, family.Architecture, WeightType.F32), tokenizer, null, []);

    /// <summary>Writes config.json, generation_config.json, the weights and the tokenizer's files.</summary>
    internal static void Write(
        string folder,
        IEnumerable<WeightSource> weights,
        JsonObject json,
        Tokenizer? tokenizer,
        JsonObject? generation,
        IReadOnlyList<int> ends
    )
    {
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), weights, new Dictionary<string, string> { ["format"] = "pt" });
        AtomicFile.WriteAllText(Path.Combine(folder, "config.json"), json.ToJsonString(Indented) + "\n");
        GenerationConfig.Write(folder, generation, json, ends);
        tokenizer?.Save(folder);
    }

    /// <summary>A configuration of other weights: their class and type.</summary>
    internal static JsonObject Config(JsonObject configJson, string architecture, WeightType type)
    {
        var json = (JsonObject)configJson.DeepClone();
        json["architectures"] = new JsonArray(architecture);
        json.Remove("dtype");
        json["torch_dtype"] = type switch
        {
            WeightType.F16 => "float16",
            WeightType.BF16 => "bfloat16",
            _ => "float32",
        };
        return json;
    }

    /// <summary>The decoder's tensors under their names on disk, fp32.</summary>
    public static IEnumerable<WeightSource> Sources(Decoder decoder, string prefix = "") =>
        decoder.Layout.Disk.Select(d => new WeightSource(prefix + d.DiskName, WeightType.F32, d.Shape, stream =>
            Write(stream, decoder.Parameters[d.Parameter], d.Offset, d.Rows, prefix + d.DiskName)
        ));

    /// <summary>Rows of a tensor as raw little-endian fp32.</summary>
    /// <exception cref="HarnessException">A number is not finite: no reader would take the file.</exception>
    internal static void Write(Stream stream, torch.Tensor tensor, long offset, long rows, string name)
    {
        using var guard = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var flat = tensor.detach().narrow(0, offset, rows).to(torch.ScalarType.Float32).contiguous().view(-1);
        const long piece = 1 << 23;
        for (var at = 0L; at < flat.shape[0]; at += piece)
        {
            using var step = torch.NewDisposeScope();
            var bytes = HostReads.Memory(HostReads.Copy(flat.narrow(0, at, Math.Min(piece, flat.shape[0] - at))));
            var numbers = MemoryMarshal.Cast<byte, float>(bytes);
            if (FiniteNumbers.FirstOther(numbers) is >= 0 and var odd)
                throw HarnessException.NotFinite($"element {at + odd} of {name}, which was to be written,", numbers[odd]);
            stream.Write(bytes);
        }
    }

    /// <summary>config.json of a model made here, in the keys that transformers 4 and 5 both read.</summary>
    public static JsonObject ConfigJson(DecoderConfig config, IDecoderFamily family)
    {
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray(family.Architecture),
            ["model_type"] = config.ModelType,
            ["vocab_size"] = config.VocabSize,
            ["hidden_size"] = config.HiddenSize,
            ["intermediate_size"] = config.IntermediateSize,
            ["num_hidden_layers"] = config.NumHiddenLayers,
            ["num_attention_heads"] = config.NumAttentionHeads,
            ["num_key_value_heads"] = config.NumKeyValueHeads,
            ["head_dim"] = config.HeadDim,
            ["hidden_act"] = config.Activation == Activation.Silu ? "silu" : "gelu_pytorch_tanh",
            ["max_position_embeddings"] = config.MaxPositionEmbeddings,
            ["rms_norm_eps"] = config.RmsNormEps,
            ["rope_theta"] = config.Rope.RopeTheta,
            ["rope_scaling"] = null,
            ["tie_word_embeddings"] = config.TieWordEmbeddings,
            ["bos_token_id"] = config.BosTokenId,
            ["eos_token_id"] = config.EosTokenIds.Count == 1 ? config.EosTokenIds[0] : new JsonArray([.. config.EosTokenIds.Select(i => JsonValue.Create(i))]),
            ["pad_token_id"] = config.PadTokenId,
        };
        family.Write(config, json);
        return json;
    }
}
