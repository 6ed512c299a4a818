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

    /// <summary>The table of divisors as what it is without its formula: LongRoPE with one table for all lengths. Null where there is none.</summary>
    private static JsonObject? Frequencies(GgufFile file, int contextLength)
    {
        if (!file.Entries.TryGetValue(RopeFrequencies, out var entry))
            return null;
        if (entry.Type != WeightType.F32)
            throw HarnessException.BadFile(file.Path, $"{RopeFrequencies} has a type of its own", $"{entry.Type}", "F32");
        JsonArray Table() => [.. MemoryMarshal.Cast<byte, float>(file.Bytes(entry)).ToArray().Select(f => JsonValue.Create((double)f))];
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

    /// <summary>The file's settings as a Hugging Face config.json.</summary>
    internal static JsonObject Config(GgufFile file, IDecoderFamily family)
    {
        var a = file.Require<string>("general.architecture") + ".";
        int Need(string key) => checked((int)(file.Integer(a + key) ?? throw HarnessException.BadFile(file.Path, $"no {a + key}", "absent", "a whole number")));
        int? May(string key) => file.Integer(a + key) is { } v ? checked((int)v) : null;
        double? Real(string key) =>
            file.Metadata.TryGetValue(a + key, out var v) ? Convert.ToDouble(v, System.Globalization.CultureInfo.InvariantCulture) : null;
        int? Token(string key) => file.Integer("tokenizer.ggml." + key) is { } v ? checked((int)v) : null;
        var tokens = file.Metadata.TryGetValue("tokenizer.ggml.tokens", out var list) ? ((string[])list).Length : 0;
        var vocabulary = file.Entries.TryGetValue("token_embd.weight", out var embeddings) ? (int)embeddings.Shape[0] : May("vocab_size") ?? tokens;
        if (Real("rope.scaling.factor") is not null && file.Metadata.TryGetValue(a + "rope.scaling.type", out var scaling) && scaling is not "none")
            throw HarnessException.BadFile(
                file.Path,
                "scaled rope in a GGUF file is not supported",
                $"{scaling}",
                "no rope scaling",
                "use the model's Hugging Face folder"
            );
        var heads = Need("attention.head_count");
        var context = May("context_length") ?? 2048;
        return new JsonObject
        {
            ["architectures"] = new JsonArray(family.Architecture),
            ["model_type"] = family.ModelType,
            ["vocab_size"] = vocabulary,
            ["hidden_size"] = Need("embedding_length"),
            ["intermediate_size"] = Need("feed_forward_length"),
            ["num_hidden_layers"] = Need("block_count"),
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = May("attention.head_count_kv") ?? heads,
            ["head_dim"] = May("attention.key_length") ?? Need("embedding_length") / heads,
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = context,
            ["rms_norm_eps"] = Real("attention.layer_norm_rms_epsilon") is { } eps ? (double)decimal.Round((decimal)eps, 12) : 1e-6,
            ["rope_theta"] = Real("rope.freq_base") ?? 10000,
            ["rope_scaling"] = Frequencies(file, context),
            ["tie_word_embeddings"] = !file.Entries.ContainsKey("output.weight"),
            ["bos_token_id"] = Token("bos_token_id"),
            ["eos_token_id"] =
                Token("eot_token_id") is { } turn && Token("eos_token_id") is { } end && turn != end ? new JsonArray(end, turn) : Token("eos_token_id"),
            ["pad_token_id"] = Token("padding_token_id"),
            ["torch_dtype"] = "float32",
        };
    }
}
