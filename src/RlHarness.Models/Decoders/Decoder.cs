using RlHarness.Core.Errors;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using TorchSharp;
using static TorchSharp.torch;

// Symbols: N packed tokens, B sequences, T the longest of them, S tokens a step, H hidden size, h query heads, g key/value heads, d head size, V vocabulary.
namespace RlHarness.Models.Decoders;

/// <summary>
/// A decoder-only transformer (Llama and its relatives): RMSNorm, rotary positions, grouped heads, gated feed-forward. Weights are fp32; products run in
/// <see cref="ComputeType"/>. The residual stream, norms and softmax stay fp32.
/// </summary>
public sealed class Decoder : IDisposable
{
    private readonly RotaryTable _rotary;
    private readonly RotaryTable? _localRotary;
    private readonly Dictionary<string, (Tensor Copy, int Version)> _lowPrecision = new(StringComparer.Ordinal);
    private readonly DecoderLayer[] _layers;
    private readonly PackedWeights _packed;
    private Tensor? _anchor;
    private Tensor? _withoutToken;

    // Far below every logit, so that the probability is exactly 0; finite, so that 0 · log 0 of an entropy is 0 and not NaN.
    private const float Nowhere = -1e30f;

    public Decoder(DecoderConfig config, Device device, bool withHead = true, bool requiresGrad = false, bool fusedOnDisk = false)
        : this(config, new ParameterLayout(config, withHead, fusedOnDisk), layout => new ParameterStore(layout.Parameters, device, requiresGrad)) { }

    /// <summary>
    /// A model that is never trained, in a type of the products. In bfloat16 the matrices of products are there in that type alone, which is what they are
    /// rounded to before each use anyway: the model computes the same numbers in less memory. Embeddings and norms stay fp32.
    /// </summary>
    public static Decoder Frozen(DecoderConfig config, Device device, ScalarType type, bool withHead = true, bool fusedOnDisk = false) =>
        new(config, new ParameterLayout(config, withHead, fusedOnDisk), layout => new ParameterStore(
            layout.Parameters,
            device,
            low: type == ScalarType.BFloat16 ? spec => spec.Shape.Length == 2 && spec.Name != ParameterLayout.Embeddings : null
        ))
        {
            ComputeType = type,
        };

    private Decoder(DecoderConfig config, ParameterLayout layout, Func<ParameterLayout, ParameterStore> parameters)
    {
        (Config, Layout, Parameters) = (config, layout, parameters(layout));
        _packed = new PackedWeights(this);
        _rotary = new RotaryTable(config.Rope, config.HeadDim, config.MaxPositionEmbeddings);
        _localRotary = config.LocalRope is { } local ? new RotaryTable(local, config.HeadDim, config.MaxPositionEmbeddings) : null;
        _layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new DecoderLayer(this, i))];
    }

    public DecoderConfig Config { get; }

    public ParameterLayout Layout { get; }

    public ParameterStore Parameters { get; }

    /// <summary>LoRA adapters by fused parameter; empty when there are none.</summary>
    public LoraAdapters? Adapters { get; set; }

    /// <summary>Type of the matrix products: Float32, or BFloat16 over fp32 master weights.</summary>
    public ScalarType ComputeType { get; set; } = ScalarType.Float32;

    public Device Device => Parameters.Device;

    /// <summary>
    /// Keeps only the stream between layers for the backward pass, which computes each layer once more: about a third more time, and memory for one layer's
    /// intermediate results in place of all layers'.
    /// </summary>
    public bool ActivationCheckpointing { get; set; }

    /// <summary>
    /// Shares the weights and has its own gradients, so that two threads can go backward at once; changes of the weights are seen by both. For fp32: kept casts
    /// of the weights would not notice an optimizer's step on the other.
    /// </summary>
    public Decoder Replica() =>
        ComputeType == ScalarType.Float32
            ? new Decoder(Config, Layout, _ => Parameters.Replica())
            {
                Adapters = Adapters?.Replica(),
                ActivationCheckpointing = ActivationCheckpointing,
                WithoutToken = WithoutToken,
                AllowsTrees = AllowsTrees,
            }
            : throw new InvalidOperationException($"a replica computes in fp32, not in {ComputeType}");

    /// <summary>
    /// The residual stream after the final norm, fp32 [N, H]. Where gradients are on and something trains, libtorch's graph goes on through it.
    /// </summary>
    /// <param name="batch">Packed sequences.</param>
    /// <param name="onHiddenState">Called with (layer index, [N, H]) before each layer, and after the final norm; for probes and tests.</param>
    public Tensor Forward(TokenBatch batch, Action<int, Tensor>? onHiddenState = null)
    {
        CheckIds(batch);
        if (is_grad_enabled() && Trains)
            return DecoderFunction.apply(
                _anchor ??= zeros(1, dtype: ScalarType.Float32, device: Device, requires_grad: true).DetachFromDisposeScope(),
                this,
                batch,
                onHiddenState!
            );
        using var scope = NewDisposeScope();
        return Run(Embed(batch.Ids), Rope(batch), new PackedAttention(Config, batch, ComputeType), onHiddenState).MoveToOuterDisposeScope();
    }

    /// <summary>A forward pass that its backward pass can follow; the caller disposes of it.</summary>
    public DecoderPass Record(TokenBatch batch, Action<int, Tensor>? onHiddenState = null)
    {
        CheckIds(batch);
        using var guard = no_grad();
        return new DecoderPass(this, batch, onHiddenState);
    }

    /// <summary>One step with a cache: a new token for each of B sequences that ends it, hidden state fp32 [B, H].</summary>
    internal Tensor ForwardCached(Tensor ids, Tensor positions, long maxPosition, IAttention attention)
    {
        using var scope = NewDisposeScope();
        return Run(Embed(ids), Rope(positions, maxPosition, SwitchLength is null ? null : positions + 1), attention).MoveToOuterDisposeScope();
    }

    /// <summary>Whole sequences whose keys and values go to a cache, hidden state fp32 [N, H].</summary>
    internal Tensor ForwardCached(TokenBatch batch, IAttention attention)
    {
        using var scope = NewDisposeScope();
        return Run(Embed(batch.Ids), Rope(batch), attention).MoveToOuterDisposeScope();
    }

    /// <summary>Length at which a sequence's rotary table changes (<see cref="RotaryTable.SwitchLength"/>), or null.</summary>
    internal long? SwitchLength => _rotary.SwitchLength;

    private Tensor Run(Tensor x, RopeRows rope, IAttention attention, Action<int, Tensor>? onHiddenState = null)
    {
        Tensor? delayed = null;
        for (var i = 0; i < _layers.Length; i++)
        {
            onHiddenState?.Invoke(i, delayed is null ? x : x + delayed);
            var (nextX, nextPending) = _layers[i].Forward(x, delayed, rope, attention);
            x.Dispose();
            delayed?.Dispose();
            (x, delayed) = (nextX, nextPending);
        }

        var y = FinalNorm(x, delayed).Y;
        onHiddenState?.Invoke(_layers.Length, y);
        return y;
    }

    /// <summary>True when a backward pass has a store to add gradients to.</summary>
    internal bool Trains => Parameters.Gradient is not null || Adapters?.Parameters.Gradient is not null;

    internal IReadOnlyList<DecoderLayer> Layers => _layers;

    internal RmsNorm.Result FinalNorm(Tensor x, Tensor? delayed) =>
        RmsNorm.Forward(x, delayed, NormWeight(ParameterLayout.FinalNorm), Config.RmsNormEps, ScalarType.Float32);

    /// <summary>Unscaled logits fp32 [N, V] of hidden states [N, H]. Ask only for rows that are scored.</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        OperandDevices.Same("head", hidden, HeadWeight());
        return nn.functional.linear(Cast(hidden), HeadWeight()).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Logits [N, V] for callers that continue in fp32. With the tiled kernel the fp32 accumulators are returned unrounded; otherwise they have the
    /// compute type.
    /// Rounding them to bfloat16 (by up to 0.06 where they are 16) would be as much of a log-probability's error as all layers together.
    /// </summary>
    public Tensor SummedLogits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var (input, weight, packed) = (Cast(hidden), HeadWeight(), _packed.Find(HeadName));
        OperandDevices.Same("head", input, weight);
        var logits =
            ComputeType != ScalarType.BFloat16 || !TiledProducts.CanPack(weight) ? Product(input, weight, null, packed: packed)
            : packed is null ? TiledProducts.Summed(input, weight)
            : TiledProducts.Summed(input, packed);
        if (_withoutToken is { } rows)
        {
            using var guard = no_grad();
            logits.index_fill_(1, rows, Nowhere);
        }

        return logits.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Rows of the head that no token of the tokenizer has. <see cref="SummedLogits"/> puts them out of reach for sampler, scorer and trainer alike,
    /// so that all three renormalise over the same tokens and PPO's ratio stays exactly 1; <see cref="Logits"/> shows the model as it is.
    /// </summary>
    public IReadOnlyList<int> WithoutToken
    {
        get;
        set
        {
            field = value;
            _withoutToken?.Dispose();
            _withoutToken = value.Count == 0 ? null : tensor([.. value.Select(id => (long)id)], device: Device).DetachFromDisposeScope();
        }
    } = [];

    /// <summary>Gradient by the hidden states, fp32 [N, H], given that by the logits [N, V].</summary>
    public Tensor HeadInputGradient(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        return ProductBack(gradient, HeadWeight()).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The head's matrix [V, H] in the compute type.</summary>
    public Tensor HeadWeight() => Adapters?.SavedHead is { } saved ? saved : Weight(HeadName);

    /// <summary>The parameter that the head uses: its own, or the embeddings'.</summary>
    public string HeadName => Config.TieWordEmbeddings ? ParameterLayout.Embeddings : ParameterLayout.Head;

    /// <summary>A parameter in the compute type. With gradients the cast is part of the graph; without, the copy is kept until the weights change.</summary>
    internal Tensor Weight(string name)
    {
        var parameter = Parameters[name];
        if (parameter.dtype == ComputeType)
            return parameter;
        if (is_grad_enabled() && parameter.requires_grad)
            return parameter.to(ComputeType);
        lock (_lowPrecision)
        {
            var (copy, version) = _lowPrecision.GetValueOrDefault(name);
            if (copy is not null && version == Parameters.Version)
                return copy;
            using var guard = no_grad();
            // Written anew where it lies: fresh memory for all weights after each step would cost more than the casts.
            if (copy is null)
                copy = parameter.to(ComputeType).DetachFromDisposeScope();
            else
                copy.copy_(parameter);
            _lowPrecision[name] = (copy, Parameters.Version);
            return copy;
        }
    }

    /// <summary>Packs the matrices for generation, until the result is disposed of. Nobody may change the weights meanwhile.</summary>
    internal IDisposable PackWeights() => _packed.Lease();

    internal Tensor Cast(Tensor x) => x.dtype == ComputeType ? x : x.to(ComputeType);

    /// <summary>
    /// x Wᵀ + b and, where there is one, the adapter's part. [N, in] → [N, out] in the compute type; a record keeps the result where it has a place
    /// for it.
    /// </summary>
    internal Tensor Linear(Tensor x, string name, SavedActivations? record = null)
    {
        var input = Cast(x);
        string weight = name + ".weight",
            bias = name + ".bias";
        var y = Product(input, Weight(weight), Parameters.Contains(bias) ? Weight(bias) : null, record, _packed.Find(weight));
        Adapters?.Add(name, input, y);
        return y;
    }

    /// <summary>Gradient by the input of <see cref="Linear"/>, given that by its result: [N, out] → [N, in].</summary>
    internal Tensor InputGradient(Tensor gradient, string name)
    {
        var result = ProductBack(gradient, Weight(name + ".weight"));
        Adapters?.AddInputGradient(name, gradient, result);
        return result;
    }

    /// <summary>Adds the gradients of the parameters of <see cref="Linear"/> to their stores, from that by its result [N, out] and its input [N, in].</summary>
    internal void AddParameterGradients(Tensor gradient, Tensor input, string name)
    {
        Adapters?.AddParameterGradients(name, gradient, input);
        if (GradientOrNull(name + ".weight") is not { } weight)
            return;
        AddProduct(weight, gradient, input);
        if (Parameters.Contains(name + ".bias"))
            Parameters.GradientOf(name + ".bias").add_(gradient.sum([0L], type: ScalarType.Float32));
    }

    /// <summary>
    /// Adds the gradient of the head's matrix to its store (unless it is frozen), from that by the logits [N, V] and the hidden states [N, H].
    /// </summary>
    public void AddHeadGradient(Tensor gradient, Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(gradient);
        if (GradientOrNull(HeadName) is { } head)
            AddProduct(head, gradient, Cast(hidden));
    }

    /// <summary>total fp32 [out, in] += gradientᵀ input.</summary>
    private static void AddProduct(Tensor total, Tensor gradient, Tensor input)
    {
        OperandDevices.Same("gradient of a product", total, gradient, input);
        if (TiledProducts.IsSupportedOuter(gradient, input))
            TiledProducts.AddOuter(total, gradient, input);
        else if (gradient.dtype == ScalarType.Float32)
            total.addmm_(gradient.t(), input, 1, 1);
        else
            GradientSum.Add(total, mm(gradient.t(), input));
    }

    /// <summary>
    /// x Wᵀ. For few rows in fp32 on the CPU, where tiles do not serve, the product is taken the other way round, W xᵀ, which the matrix library does
    /// up to twice as fast (docs/speed.md).
    /// </summary>
    private static Tensor Product(Tensor x, Tensor weight, Tensor? bias, SavedActivations? record = null, PackedMatrix? packed = null)
    {
        OperandDevices.Same("product", x, weight, bias);
        Tensor y;
        if (packed is not null || TiledProducts.IsSupported(x, weight))
        {
            var kept = record?.Take([x.shape[0], weight.shape[0]], x.dtype);
            y = packed is null ? TiledProducts.Linear(x, weight, kept) : TiledProducts.Linear(x, packed, kept);
        }
        else if (record?.Take([x.shape[0], weight.shape[0]], x.dtype) is { } place)
        {
            y = place.addmm_(x, weight.t(), 0, 1);
        }
        else if (x.shape[0] is < 8 or > 64 || x.dtype != ScalarType.Float32 || x.device_type != DeviceType.CPU || weight.shape[0] < 512)
        {
            return nn.functional.linear(x, weight, bias);
        }
        else
        {
            y = mm(weight, x.t()).t().contiguous();
        }

        return bias is null ? y : y.add_(bias);
    }

    /// <summary>y W: [N, out] → [N, in].</summary>
    private static Tensor ProductBack(Tensor y, Tensor weight)
    {
        OperandDevices.Same("product", y, weight);
        return TiledProducts.IsSupported(y, weight) ? TiledProducts.Back(y, weight) : mm(y, weight);
    }

    /// <summary>Where the gradient of a parameter is added up; null while the parameters are frozen.</summary>
    internal Tensor? GradientOrNull(string name) => Parameters.Gradient is null ? null : Parameters.GradientOf(name);

    /// <summary>Weight of a norm, fp32 [W].</summary>
    internal Tensor NormWeight(string name) => Config.NormAddsOne ? Parameters[name] + 1 : Parameters[name];

    public void Dispose()
    {
        foreach (var (copy, _) in _lowPrecision.Values)
            copy.Dispose();
        Parameters.Dispose();
        Adapters?.Dispose();
        _rotary.Dispose();
        _localRotary?.Dispose();
        _anchor?.Dispose();
        _withoutToken?.Dispose();
    }

    /// <summary>False packs batches without trees, where only what all sequences begin with is there once: to measure what trees bring.</summary>
    public bool AllowsTrees { get; init; } = true;

    /// <summary>Whether batches are packed as trees: where attention by tiles, or a device, takes them as they come, and each product is large.</summary>
    public bool SharesDeeply => AllowsTrees && (Device.type != DeviceType.CPU || TiledAttention.IsSupported(Device, ComputeType, Config.HeadDim));

    /// <summary>Each sequence's rows by its own length; tokens that sequences of both tables share take the table of the longest, as in transformers.</summary>
    internal RopeRows Rope(TokenBatch batch)
    {
        if (SwitchLength is not { } last || batch.Lengths.All(l => l > last) || batch.Lengths.All(l => l <= last))
            return Rope(batch.Positions, batch.Longest - 1, null);
        var lengths = new long[batch.Count];
        for (var s = 0; s < batch.Lengths.Count; s++)
            foreach (var node in batch.Path(s))
                for (var row = node.From; row < node.From + node.Rows; row++)
                    lengths[row] = Math.Max(lengths[row], batch.Lengths[s]);
        using var rows = tensor(lengths, device: Device);
        return Rope(batch.Positions, batch.Longest - 1, rows);
    }

    private RopeRows Rope(Tensor positions, long maxPosition, Tensor? lengths)
    {
        var (cos, sin) = _rotary.At(positions, maxPosition, Device, lengths);
        if (_localRotary is null)
            return new RopeRows(cos, sin, cos, sin);
        var (localCos, localSin) = _localRotary.At(positions, maxPosition, Device, lengths);
        return new RopeRows(cos, sin, localCos, localSin);
    }

    internal Tensor Embed(Tensor ids)
    {
        var x = Embedding.Lookup(Parameters[ParameterLayout.Embeddings], ids); // [N, H]
        return Config.EmbeddingScale == 1 ? x : x * Config.EmbeddingScale;
    }

    private void CheckIds(TokenBatch batch)
    {
        if (batch.Longest > Config.MaxPositionEmbeddings)
            throw new HarnessException(
                ErrorKind.BadInput,
                "a sequence is longer than the model's context",
                $"{batch.Longest} tokens",
                $"at most {Config.MaxPositionEmbeddings}",
                "shorten prompts or max_new_tokens"
            );
    }
}
