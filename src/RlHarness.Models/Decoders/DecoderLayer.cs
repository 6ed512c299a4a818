using RlHarness.Models.Kernels;
using static TorchSharp.torch;

// Symbols: N packed tokens, H hidden size, h query heads, g key/value heads, d head size, M intermediate size.
namespace RlHarness.Models.Decoders;

/// <summary>
/// One layer: attention and gated feed-forward, each added to the residual stream, with its gradient written by hand. The last branch's sum is left to the
/// next norm, which does both in one pass: a stream is (x, delayed) and stands for x + delayed.
/// </summary>
internal sealed class DecoderLayer(Decoder decoder, int index)
{
    private readonly DecoderConfig _config = decoder.Config;
    private readonly string _name = $"model.layers.{index}.";

    private bool NormsBefore => _config.NormPlacement != NormPlacement.Post;

    private bool NormsBehind => _config.NormPlacement != NormPlacement.Pre;

    /// <summary>The norm between attention and feed-forward; families that norm on both sides call it by another name.</summary>
    private string FeedForwardNormName => _config.NormPlacement == NormPlacement.Sandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm";

    /// <summary>
    /// True where a record keeps the stream that <see cref="Forward"/> returns (a norm or, uncast, a product reads it); else it belongs to the
    /// caller.
    /// </summary>
    internal bool RecordKeepsStream => NormsBefore || decoder.ComputeType == ScalarType.Float32;

    /// <summary>x fp32 [N, H] and what is still to be added to it; both new. With a record the backward pass can follow.</summary>
    internal (Tensor X, Tensor Pending) Forward(Tensor x, Tensor? delayed, RopeRows rope, IAttention attention, SavedActivations? record = null)
    {
        using var scope = NewDisposeScope();
        Tensor input;
        if (NormsBefore)
        {
            var norm = Norm(x, delayed, "input_layernorm", record);
            (x, input) = (norm.Sum, norm.Y);
            // Nothing was added: x belongs to the caller, who keeps it as long as the record.
            if (record is not null)
                record.InputNorm = delayed is null ? new(x, record.Keep(norm.Scale)) : record.Keep(norm);
        }
        else
        {
            if (delayed is not null)
                x = x + delayed;
            input = decoder.Cast(x);
        }

        var branch = Attention(input, rope, attention, record);
        if (NormsBehind)
        {
            (branch, var norm) = NormBehind(branch, "post_attention_layernorm", record);
            if (record is not null)
                record.AttentionNorm = norm;
        }

        if (NormsBefore)
        {
            var norm = Norm(x, branch, FeedForwardNormName, record);
            (x, input) = (norm.Sum, norm.Y);
            if (record is not null)
                record.FeedForwardInputNorm = record.Keep(norm);
        }
        else
        {
            x = x + branch;
            input = decoder.Cast(x);
        }

        branch = FeedForward(input, record);
        if (NormsBehind)
        {
            (branch, var norm) = NormBehind(branch, "post_feedforward_layernorm", record);
            if (record is not null)
                record.FeedForwardNorm = norm;
        }

        return (record is not null && RecordKeepsStream ? x : x.MoveToOuterDisposeScope(), branch.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Changes the gradient of the stream behind this layer (fp32 [N, H]) into that of the stream before it, and adds the parameters' gradients to
    /// their store.
    /// </summary>
    internal void Backward(SavedActivations record, RopeRows rope, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var branch = NormsBehind ? NormBehindGradient(gradient, record.FeedForwardNorm!, "post_feedforward_layernorm") : decoder.Cast(gradient);
        AddThroughNorm(FeedForwardGradient(branch, record), record.FeedForwardInputNorm, FeedForwardNormName, gradient);
        branch = NormsBehind ? NormBehindGradient(gradient, record.AttentionNorm!, "post_attention_layernorm") : decoder.Cast(gradient);
        AddThroughNorm(AttentionGradient(branch, rope, record), record.InputNorm, "input_layernorm", gradient);
    }

    private Tensor Attention(Tensor input, RopeRows rope, IAttention attention, SavedActivations? record)
    {
        long h = _config.NumAttentionHeads,
            g = _config.NumKeyValueHeads,
            d = _config.HeadDim,
            n = input.shape[0];
        var qkv = decoder.Linear(input, _name + "self_attn.qkv_proj"); // [N, (h + 2g)·d]
        Tensor New(long width, bool kept) => (kept ? record?.Take([n, width], qkv.dtype) : null) ?? empty(n, width, dtype: qkv.dtype, device: qkv.device);
        // Keys and values that attention repeats for their groups are kept as it repeats them, and not here.
        var keepsKeys = record is not null && (g == h || ((PackedAttention)attention).ReadsGroups);
        var (cos, sin) = Angles(rope);
        var together = TurnsTogether(qkv);
        Tensor q = together ? qkv : New(h * d, true),
            k = together ? qkv : New(g * d, keepsKeys);
        if (together)
        {
            var turned = Rotary.Turn(qkv.narrow(1, 0, (h + g) * d), h + g, d, cos, sin).to(qkv.dtype);
            (q, k) = (turned.narrow(1, 0, h * d), turned.narrow(1, h * d, g * d));
            if (QueryFactor != 1)
                q = q * QueryFactor;
        }
        else if (_config.QkNorm == QkNorm.None)
        {
            Rotary.Apply(qkv, 0, q, 0, h, d, cos, sin, factor: QueryFactor);
            Rotary.Apply(qkv, h * d, k, 0, g, d, cos, sin);
        }
        else
        {
            var (normedQ, ofQ) = HeadNorm(qkv.narrow(1, 0, h * d), "q_norm", record);
            var (normedK, ofK) = HeadNorm(qkv.narrow(1, h * d, g * d), "k_norm", record);
            Rotary.Apply(normedQ, 0, q, 0, h, d, cos, sin, factor: QueryFactor);
            Rotary.Apply(normedK, 0, k, 0, g, d, cos, sin);
            if (record is not null)
                (record.QueryNorm, record.KeyNorm) = (ofQ, ofK);
        }

        var v = qkv.narrow(1, (h + g) * d, g * d);
        if (keepsKeys)
            v = New(g * d, true).copy_(v);
        Tensor mixed; // [N, h·d]
        if (record is null)
        {
            mixed = attention.Attend(index, q, k, v);
        }
        else
        {
            record.AttentionInput = record.Keep(input);
            (mixed, record.Attention) = ((PackedAttention)attention).Attend(index, q, k, v, record);
            record.AttentionOutput = record.Keep(mixed);
        }

        return decoder.Linear(mixed, _name + "self_attn.o_proj");
    }

    private Tensor AttentionGradient(Tensor branch, RopeRows rope, SavedActivations record)
    {
        long h = _config.NumAttentionHeads,
            g = _config.NumKeyValueHeads,
            d = _config.HeadDim;
        decoder.AddParameterGradients(branch, record.AttentionOutput!, _name + "self_attn.o_proj");
        var (dq, dk, dv) = record.Attention!.Backward(decoder.InputGradient(branch, _name + "self_attn.o_proj"));
        var (cos, sin) = Angles(rope);
        Tensor both; // [N, (h + 2g)·d]
        if (TurnsTogether(branch))
        {
            var turned = Rotary.Turn(cat([QueryFactor == 1 ? dq : dq * QueryFactor, dk], 1), h + g, d, cos, sin, back: true).to(branch.dtype);
            both = cat([turned, dv], 1);
        }
        else
        {
            both = empty(branch.shape[0], (h + 2 * g) * d, dtype: branch.dtype, device: branch.device);
            both.narrow(1, (h + g) * d, g * d).copy_(dv);
            TurnBack(both);
        }

        decoder.AddParameterGradients(both, record.AttentionInput!, _name + "self_attn.qkv_proj");
        return decoder.InputGradient(both, _name + "self_attn.qkv_proj");

        void TurnBack(Tensor target)
        {
            if (_config.QkNorm == QkNorm.None)
            {
                Rotary.Apply(dq, 0, target, 0, h, d, cos, sin, back: true, QueryFactor);
                Rotary.Apply(dk, 0, target, h * d, g, d, cos, sin, back: true);
                return;
            }

            Rotary.Apply(dq, 0, dq, 0, h, d, cos, sin, back: true, QueryFactor);
            Rotary.Apply(dk, 0, dk, 0, g, d, cos, sin, back: true);
            target.narrow(1, 0, h * d).copy_(HeadNormGradient(dq, record.QueryNorm!, "q_norm"));
            target.narrow(1, h * d, g * d).copy_(HeadNormGradient(dk, record.KeyNorm!, "k_norm"));
        }
    }

    private Tensor FeedForward(Tensor input, SavedActivations? record)
    {
        var both = decoder.Linear(input, _name + "mlp.gate_up_proj", record); // [N, 2M]
        if (record is not null)
            (record.FeedForwardInput, record.GateUp) = (record.Keep(input), record.Keep(both));
        return decoder.Linear(GatedUnit.Forward(both, _config.Activation), _name + "mlp.down_proj");
    }

    private Tensor FeedForwardGradient(Tensor branch, SavedActivations record)
    {
        // The activation was not saved; the backward pass recomputes it.
        var active = GatedUnit.Backward(record.GateUp!, _config.Activation, decoder.InputGradient(branch, _name + "mlp.down_proj")); // [N, M]
        decoder.AddParameterGradients(branch, active, _name + "mlp.down_proj");
        decoder.AddParameterGradients(record.GateUp!, record.FeedForwardInput!, _name + "mlp.gate_up_proj");
        return decoder.InputGradient(record.GateUp!, _name + "mlp.gate_up_proj");
    }

    /// <summary>Whether queries and keys are turned by one series of operations: where each of them is a launch, and no norm stands between.</summary>
    private bool TurnsTogether(Tensor x) => _config.QkNorm == QkNorm.None && !FusedKernels.Apply(x);

    /// <summary>Attention divides by √d; a model with a scale of its own has its queries brought to that.</summary>
    private float QueryFactor => _config.AttentionScale is { } scale ? (float)(scale * Math.Sqrt(_config.HeadDim)) : 1;

    private (Tensor? Cos, Tensor? Sin) Angles(RopeRows rope) =>
        !_config.IsRotary(index) ? (null, null)
        : _config.IsSliding(index) ? (rope.LocalCos, rope.LocalSin)
        : (rope.Cos, rope.Sin);

    private RmsNorm.Result Norm(Tensor x, Tensor? added, string name, SavedActivations? record) =>
        RmsNorm.Forward(x, added, decoder.NormWeight(_name + name + ".weight"), _config.RmsNormEps, decoder.ComputeType, record is null ? null : record.Take);

    private void AddThroughNorm(Tensor gradient, SavedActivations.NormRecord? norm, string name, Tensor total)
    {
        if (norm is null)
            total.add_(gradient);
        else
            RmsNorm.Backward(
                gradient,
                norm.X,
                norm.Scale,
                decoder.NormWeight(_name + name + ".weight"),
                total,
                decoder.GradientOrNull(_name + name + ".weight")
            );
    }

    private (Tensor Y, SavedActivations.NormRecord? Norm) NormBehind(Tensor branch, string name, SavedActivations? record)
    {
        var norm = RmsNorm.Forward(branch.to(ScalarType.Float32), null, decoder.NormWeight(_name + name + ".weight"), _config.RmsNormEps, ScalarType.Float32);
        return (norm.Y, record?.Keep(norm));
    }

    private Tensor NormBehindGradient(Tensor gradient, SavedActivations.NormRecord norm, string name)
    {
        var result = zeros_like(gradient);
        RmsNorm.Backward(gradient, norm.X, norm.Scale, decoder.NormWeight(_name + name + ".weight"), result, decoder.GradientOrNull(_name + name + ".weight"));
        return decoder.Cast(result);
    }

    /// <summary>Norm of queries or keys, over each head or over all of them.</summary>
    private (Tensor Y, SavedActivations.NormRecord? Norm) HeadNorm(Tensor part, string name, SavedActivations? record)
    {
        long n = part.shape[0],
            width = part.shape[1],
            each = _config.QkNorm == QkNorm.PerHead ? _config.HeadDim : width;
        var x = part.to(ScalarType.Float32).contiguous().view(-1, each);
        var norm = RmsNorm.Forward(x, null, decoder.NormWeight(_name + "self_attn." + name + ".weight"), _config.RmsNormEps, part.dtype);
        return (norm.Y.view(n, width), record?.Keep(norm));
    }

    private Tensor HeadNormGradient(Tensor gradient, SavedActivations.NormRecord norm, string name)
    {
        var weight = _name + "self_attn." + name + ".weight";
        var result = zeros_like(norm.X);
        RmsNorm.Backward(gradient.view(norm.X.shape), norm.X, norm.Scale, decoder.NormWeight(weight), result, decoder.GradientOrNull(weight));
        return result.view(gradient.shape);
    }
}
