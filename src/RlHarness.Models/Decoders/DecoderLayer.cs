using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>One layer: attention and gated feed-forward, each added to the residual stream.</summary>
internal sealed class DecoderLayer(Decoder decoder, int index)
{
    private readonly DecoderConfig _config = decoder.Config;
    private readonly string _name = $"model.layers.{index}.";

    /// <summary>[N, H] → [N, H].</summary>
    internal Tensor Forward(Tensor x, RopeRows rope, IAttention attention)
    {
        using var scope = NewDisposeScope();
        var pre = _config.NormPlacement != NormPlacement.Post;
        var post = _config.NormPlacement != NormPlacement.Pre;
        var mixed = Attention(pre ? Norm(x, "input_layernorm") : x, rope, attention);
        x = x + (post ? Norm(mixed, "post_attention_layernorm") : mixed);
        var input = _config.NormPlacement switch
        {
            NormPlacement.Pre => Norm(x, "post_attention_layernorm"),
            NormPlacement.Sandwich => Norm(x, "pre_feedforward_layernorm"),
            _ => x,
        };
        var fed = FeedForward(input);
        return (x + (post ? Norm(fed, "post_feedforward_layernorm") : fed)).MoveToOuterDisposeScope();
    }

    private Tensor Attention(Tensor x, RopeRows rope, IAttention attention)
    {
        long n = x.shape[0], h = _config.NumAttentionHeads, g = _config.NumKeyValueHeads, d = _config.HeadDim;
        var qkv = decoder.Linear(x, _name + "self_attn.qkv_proj"); // [N, (h + 2g)·d]
        Tensor q, k;
        var v = qkv.narrow(-1, (h + g) * d, g * d).view(n, g, d);
        var local = _config.IsSliding(index);
        if (_config.QkNorm == QkNorm.None)
        {
            var both = qkv.narrow(-1, 0, (h + g) * d).view(n, h + g, d).to(ScalarType.Float32);
            if (_config.IsRotary(index)) both = rope.Rotate(both, local); // [N, h + g, d]
            (q, k) = (both.narrow(1, 0, h), both.narrow(1, h, g));
        }
        else
        {
            q = Normed(qkv.narrow(-1, 0, h * d), h, "q_norm");
            k = Normed(qkv.narrow(-1, h * d, g * d), g, "k_norm");
            if (_config.IsRotary(index)) (q, k) = (rope.Rotate(q, local), rope.Rotate(k, local));
        }

        if (_config.AttentionScale is { } scale) q = q * (scale * Math.Sqrt(d));
        return decoder.Linear(attention.Attend(index, decoder.Cast(q), decoder.Cast(k), v), _name + "self_attn.o_proj");

        Tensor Normed(Tensor part, long heads, string norm)
        {
            var weight = _name + "self_attn." + norm + ".weight";
            return _config.QkNorm == QkNorm.PerHead ? decoder.Norm(part.view(n, heads, d), weight) : decoder.Norm(part, weight).view(n, heads, d);
        }
    }

    private Tensor FeedForward(Tensor x)
    {
        long m = _config.IntermediateSize;
        var both = decoder.Linear(x, _name + "mlp.gate_up_proj"); // [N, 2m]
        var gate = both.narrow(-1, 0, m);
        var active = _config.Activation == Activation.Silu ? nn.functional.silu(gate) : GeluTanh(gate);
        return decoder.Linear(active * both.narrow(-1, m, m), _name + "mlp.down_proj");
    }

    private Tensor Norm(Tensor x, string norm) => decoder.Norm(x, _name + norm + ".weight");

    /// <summary>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).</summary>
    private static Tensor GeluTanh(Tensor x) => 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x.pow(3))).tanh());
}
