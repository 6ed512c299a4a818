using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Families;

namespace RlHarness.Models.Loading;

/// <summary>GGUF's names of tensors and settings, against Hugging Face's.</summary>
internal static class GgufNames
{
    private static readonly (string Hub, string Gguf)[] Modules =
    [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ];

    /// <summary>The GGUF name of a Hugging Face tensor name.</summary>
    internal static string Of(string hub)
    {
        switch (hub)
        {
            case "model.embed_tokens.weight":
                return "token_embd.weight";
            case "model.norm.weight":
                return "output_norm.weight";
            case "lm_head.weight":
                return "output.weight";
        }

        var parts = hub.Split('.', 4); // model . layers . i . rest
        var rest = parts[3];
        var dot = rest.LastIndexOf('.');
        var module = Modules.FirstOrDefault(m => m.Hub == rest[..dot]).Gguf ?? throw new InvalidOperationException($"no GGUF name for {hub}");
        return $"blk.{parts[2]}.{module}{rest[dot..]}";
    }

    /// <summary>Divisors of rope's frequencies, which llama.cpp computes for Llama 3.1 and later and keeps as a tensor [d / 2].</summary>
    internal const string RopeFrequencies = "rope_freqs.weight";

    /// <summary>The table of divisors, expressed without its formula as LongRoPE with one table for all lengths. Null where there is none.</summary>
    private static JsonObject? Frequencies(GgufFile file, int contextLength, int headDim)
    {
        if (!file.Entries.TryGetValue(RopeFrequencies, out var entry))
            return null;
        if (entry.Type != WeightType.F32 || entry.Elements != headDim / 2)
            throw HarnessException.BadFile(
                file.Path,
                $"{RopeFrequencies} is not a table of divisors",
                $"{entry.Type} [{string.Join(", ", entry.Shape)}]",
                $"F32 [{headDim / 2}], half of the head's {headDim} dimensions"
            );
        JsonArray Table() => [.. MemoryMarshal.Cast<byte, float>(file.Bytes(entry)).ToArray().Select(f => JsonValue.Create(Finite(file, RopeFrequencies, f)))];
        return new JsonObject
        {
            ["rope_type"] = "longrope",
            ["factor"] = 1.0,
            ["attention_factor"] = 1.0,
            ["original_max_position_embeddings"] = contextLength,
            ["short_factor"] = Table(),
            ["long_factor"] = Table(),
        };
    }

    /// <summary>llama.cpp takes a factor without a type for linear scaling; its other types differ from transformers' in their details.</summary>
    private static JsonObject? Scaling(GgufFile file, string prefix)
    {
        var key = file.Metadata.ContainsKey(prefix + "rope.scaling.factor") ? prefix + "rope.scaling.factor" : prefix + "rope.scale_linear";
        var type = file.Metadata.TryGetValue(prefix + "rope.scaling.type", out var named) ? named as string ?? $"{named}" : "linear";
        if (type == "none" || Real(file, key) is not { } factor || factor is 0 or 1)
            return type is "none" or "linear"
                ? null
                : throw HarnessException.BadFile(file.Path, $"{prefix}rope.scaling.type without a factor", type, "rope.scaling.factor");
        if (type != "linear")
            throw HarnessException.BadFile(
                file.Path,
                "scaled rope of this type in a GGUF file is not supported",
                $"{prefix}rope.scaling.type = {type}",
                "none or linear",
                "use the model's Hugging Face folder"
            );
        return new JsonObject { ["rope_type"] = "linear", ["factor"] = factor };
    }

    /// <summary>The file's settings as a Hugging Face config.json.</summary>
    /// <exception cref="HarnessException">A key that llama.cpp needs is absent, or one has a value that no model has.</exception>
    internal static JsonObject Config(GgufFile file, IDecoderFamily family)
    {
        var a = file.Require<string>("general.architecture") + ".";
        int Need(string key) => Whole(file, a + key, 1) ?? throw HarnessException.BadFile(file.Path, $"no {a + key}", "absent", "a whole number");
        var heads = Need("attention.head_count");
        var width = Need("embedding_length");
        var context = Need("context_length");
        var headDim = Whole(file, a + "attention.key_length", 1) ?? width / heads;
        Same(file, a + "attention.value_length", headDim, "the heads' size");
        Same(file, a + "rope.dimension_count", headDim, "the heads' size: a part of each head alone is not rotated here");
        var vocabulary = Vocabulary(file, a);
        int? Token(string key) =>
            Whole(file, "tokenizer.ggml." + key, 0) is not { } id ? null
            : id < vocabulary ? id
            : throw HarnessException.BadFile(file.Path, $"tokenizer.ggml.{key} is outside the vocabulary", $"{id}", $"0 to {vocabulary - 1}");
        var epsilon = Real(file, a + "attention.layer_norm_rms_epsilon")
            ?? throw HarnessException.BadFile(file.Path, $"no {a}attention.layer_norm_rms_epsilon", "absent", "a number such as 1e-5");
        return new JsonObject
        {
            ["architectures"] = new JsonArray(family.Architecture),
            ["model_type"] = family.ModelType,
            ["vocab_size"] = vocabulary,
            ["hidden_size"] = width,
            ["intermediate_size"] = Need("feed_forward_length"),
            ["num_hidden_layers"] = Need("block_count"),
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = Whole(file, a + "attention.head_count_kv", 1) ?? heads,
            ["head_dim"] = headDim,
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = context,
            ["rms_norm_eps"] = epsilon,
            ["rope_theta"] = Real(file, a + "rope.freq_base") ?? 10000,
            ["rope_scaling"] = Frequencies(file, context, headDim) ?? Scaling(file, a),
            ["tie_word_embeddings"] = !file.Entries.ContainsKey("output.weight"),
            ["bos_token_id"] = Token("bos_token_id"),
            ["eos_token_id"] = Ends([Token("eos_token_id"), Token("eot_token_id"), Token("eom_token_id"), .. EndsByName(file, vocabulary)]),
            ["pad_token_id"] = Token("padding_token_id"),
            ["torch_dtype"] = "float32",
        };
    }

    /// <summary>What llama.cpp takes for the end of a turn wherever a control token has this name (llama-vocab.cpp, special_eog_ids).</summary>
    private static readonly HashSet<string> EndNames = new(StringComparer.Ordinal)
    {
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|eom_id|>",
        "<|endoftext|>",
        "<end_of_turn>",
        "<end_of_utterance>",
        "< EOT >",
        "_< EOT >",
        "[EOT]",
        "<｜end▁of▁sentence｜>",
    };

    private static IEnumerable<int?> EndsByName(GgufFile file, int vocabulary)
    {
        if (
            !file.Metadata.TryGetValue("tokenizer.ggml.tokens", out var list)
            || list is not string[] tokens
            || !file.Metadata.TryGetValue("tokenizer.ggml.token_type", out var kinds)
            || kinds is not int[] types
        )
            yield break;
        for (var id = 0; id < Math.Min(Math.Min(tokens.Length, types.Length), vocabulary); id++)
            if (types[id] == 3 && EndNames.Contains(tokens[id]))
                yield return id;
    }

    private static JsonNode? Ends(IEnumerable<int?> ids)
    {
        int[] ends = [.. ids.OfType<int>().Distinct()];
        return ends.Length switch
        {
            0 => null,
            1 => ends[0],
            _ => new JsonArray([.. ends.Select(id => JsonValue.Create(id))]),
        };
    }

    private static int Vocabulary(GgufFile file, string prefix)
    {
        if (file.Entries.TryGetValue("token_embd.weight", out var embeddings))
            return embeddings.Shape.Length == 2 && embeddings.Shape[0] is >= 1 and <= int.MaxValue
                ? (int)embeddings.Shape[0]
                : throw HarnessException.BadFile(
                    file.Path,
                    "token_embd.weight is no table of embeddings",
                    $"[{string.Join(", ", embeddings.Shape)}]",
                    "[vocabulary, embedding_length]"
                );
        if (Whole(file, prefix + "vocab_size", 1) is { } stated)
            return stated;
        return file.Metadata.TryGetValue("tokenizer.ggml.tokens", out var list) && list is string[] { Length: > 0 } tokens
            ? tokens.Length
            : throw HarnessException.BadFile(file.Path, "no vocabulary", "neither token_embd.weight nor tokenizer.ggml.tokens", "one of them");
    }

    private static void Same(GgufFile file, string key, int expected, string why)
    {
        if (Whole(file, key, 1) is { } found && found != expected)
            throw HarnessException.BadFile(file.Path, $"{key} is not supported", $"{found}", $"{expected}, {why}", "use the model's Hugging Face folder");
    }

    private static int? Whole(GgufFile file, string key, int least) =>
        file.Integer(key) is not { } value ? null
        : value >= least && value <= int.MaxValue ? (int)value
        : throw HarnessException.BadFile(file.Path, $"metadata '{key}' is out of range", $"{value}", $"{least} to {int.MaxValue}", "convert the model again");

    private static double? Real(GgufFile file, string key) =>
        !file.Metadata.TryGetValue(key, out var value)
            ? null
            : value switch
            {
                // The shortest text of a float is the number that was meant: 1e-05, not 9.99999974737875e-06.
                float f => double.Parse(Finite(file, key, f).ToString("r", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
                double d => double.IsFinite(d) ? d : throw NotFinite(file, key, $"{d}"),
                _ => file.Integer(key),
            };

    private static float Finite(GgufFile file, string key, float value) =>
        float.IsFinite(value) ? value : throw NotFinite(file, key, value.ToString(CultureInfo.InvariantCulture));

    private static HarnessException NotFinite(GgufFile file, string key, string found) =>
        HarnessException.BadFile(file.Path, $"{key} is not finite", found, "a finite number", "convert the model again");
}
