namespace RlHarness.Models.Decoders;

/// <summary>One parameter of the decoder as it lies in memory: products that share an input are one matrix (q, k, v; gate, up).</summary>
public sealed record ParameterSpec(string Name, long[] Shape, bool Decays)
{
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);
}

/// <summary>A tensor as files name it: rows [Offset, Offset + Rows) of a parameter.</summary>
public sealed record DiskTensor(string DiskName, string Parameter, long Offset, long Rows, long[] Shape);

/// <summary>Which parameters a configuration has, and how they are called in Hugging Face's files.</summary>
public sealed class ParameterLayout
{
    public const string Embeddings = "model.embed_tokens.weight";
    public const string FinalNorm = "model.norm.weight";
    public const string Head = "lm_head.weight";
    private readonly List<ParameterSpec> _parameters = [];
    private readonly List<DiskTensor> _disk = [];

    public ParameterLayout(DecoderConfig config, bool withHead = true, bool fusedOnDisk = false)
    {
        var c = config;
        long h = c.HiddenSize,
            m = c.IntermediateSize,
            q = c.QueryWidth,
            kv = c.KeyValueWidth;
        Whole(Embeddings, [c.VocabSize, h]);
        for (var i = 0; i < c.NumHiddenLayers; i++)
        {
            var p = $"model.layers.{i}.";
            if (c.NormPlacement != NormPlacement.Post)
                Norm(p + "input_layernorm.weight", h);
            Fused(p + "self_attn.qkv_proj", h, c.QkvBias, fusedOnDisk, (p + "self_attn.q_proj", q), (p + "self_attn.k_proj", kv), (p + "self_attn.v_proj", kv));
            if (c.QkNorm != QkNorm.None)
            {
                Norm(p + "self_attn.q_norm.weight", c.QkNorm == QkNorm.PerHead ? c.HeadDim : q);
                Norm(p + "self_attn.k_norm.weight", c.QkNorm == QkNorm.PerHead ? c.HeadDim : kv);
            }

            Linear(p + "self_attn.o_proj", h, q, c.OutputBias);
            Norm(p + "post_attention_layernorm.weight", h);
            if (c.NormPlacement == NormPlacement.Sandwich)
                Norm(p + "pre_feedforward_layernorm.weight", h);
            Fused(p + "mlp.gate_up_proj", h, c.MlpBias, fusedOnDisk, (p + "mlp.gate_proj", m), (p + "mlp.up_proj", m));
            Linear(p + "mlp.down_proj", h, m, c.MlpBias);
            if (c.NormPlacement != NormPlacement.Pre)
                Norm(p + "post_feedforward_layernorm.weight", h);
        }

        Norm(FinalNorm, h);
        if (withHead && !c.TieWordEmbeddings)
            Whole(Head, [c.VocabSize, h]);
    }

    public IReadOnlyList<ParameterSpec> Parameters => _parameters;

    public IReadOnlyList<DiskTensor> Disk => _disk;

    private void Whole(string name, long[] shape)
    {
        _parameters.Add(new(name, shape, shape.Length > 1));
        _disk.Add(new(name, name, 0, shape[0], shape));
    }

    private void Norm(string name, long width) => Whole(name, [width]);

    private void Linear(string name, long rows, long columns, bool bias)
    {
        Whole(name + ".weight", [rows, columns]);
        if (bias)
            Whole(name + ".bias", [rows]);
    }

    private void Fused(string name, long columns, bool bias, bool fusedOnDisk, params (string Name, long Rows)[] parts)
    {
        Part(".weight", rows => [rows, columns]);
        if (bias)
            Part(".bias", rows => [rows]);

        void Part(string suffix, Func<long, long[]> shape)
        {
            var total = parts.Sum(x => x.Rows);
            if (fusedOnDisk)
            {
                Whole(name + suffix, shape(total));
                return;
            }

            _parameters.Add(new(name + suffix, shape(total), suffix == ".weight"));
            var offset = 0L;
            foreach (var (part, rows) in parts)
            {
                _disk.Add(new(part + suffix, name + suffix, offset, rows, shape(rows)));
                offset += rows;
            }
        }
    }
}
