using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Cosines and sines of the rotary embedding (Su et al. 2021), computed once for a model and grown when a longer sequence comes; several threads may
/// ask at once.
/// Frequencies follow transformers' <c>modeling_rope_utils</c> for each rope type; angles are products of fp32 numbers, as there.
/// </summary>
internal sealed class RotaryTable : IDisposable
{
    private readonly RopeSettings _settings;
    private readonly int _headDim;
    private readonly int _maxPositions;
    private readonly Lock _growing = new();
    private Tensor? _cos;
    private Tensor? _sin;
    private long _rows;
    private long _length;

    public RotaryTable(RopeSettings settings, int headDim, int maxPositionEmbeddings)
    {
        (_settings, _headDim, _maxPositions) = (settings, headDim, maxPositionEmbeddings);
        RotaryDim = (int)(headDim * settings.PartialRotaryFactor) / 2 * 2;
    }

    /// <summary>How many of a head's dimensions are rotated.</summary>
    public int RotaryDim { get; }

    /// <summary>
    /// Tokens of a sequence up to which LongRoPE takes its short table; null for the types that have one table. A sequence that grows beyond it has to be
    /// read again from its first token, as transformers does: keys that were rotated by the short table do not fit queries of the long one.
    /// </summary>
    public long? SwitchLength => _settings.RopeType == "longrope" && !_settings.ShortFactor.SequenceEqual(_settings.LongFactor) ? OriginalPositions : null;

    /// <summary>Rows for positions [N]: cos and sin, each [N, RotaryDim] in fp32; sin is negative for the first half of the dimensions.</summary>
    /// <param name="positions">Position of each row in its sequence.</param>
    /// <param name="maxPosition">The largest of them.</param>
    /// <param name="device">Where the table lies.</param>
    /// <param name="lengths">Tokens of each row's sequence [N], so that no sequence's table depends on the batch; null: that of the largest position.</param>
    public (Tensor Cos, Tensor Sin) At(Tensor positions, long maxPosition, Device device, Tensor? lengths = null)
    {
        // Some frequencies depend on the sequence's length where it is beyond the trained one, never on how many rows are kept.
        var length = _settings.RopeType == "dynamic" ? Math.Max(maxPosition + 1, _maxPositions) : 0L;
        lock (_growing)
        {
            if (_cos is null || maxPosition >= _rows || length != _length || _cos.device_type != device.type)
                Grow(Math.Max(maxPosition + 1, 512), length, device);
            if (SwitchLength is not { } last)
                return (_cos!.index_select(0, positions), _sin!.index_select(0, positions));
            using var scope = NewDisposeScope();
            // The rows of the long table lie behind those of the short one.
            var index =
                lengths is not null ? positions + (lengths > last).to(ScalarType.Int64) * _rows
                : maxPosition + 1 > last ? positions + _rows
                : positions;
            return (_cos!.index_select(0, index).MoveToOuterDisposeScope(), _sin!.index_select(0, index).MoveToOuterDisposeScope());
        }
    }

    public void Dispose()
    {
        _cos?.Dispose();
        _sin?.Dispose();
    }

    private void Grow(long rows, long length, Device device)
    {
        rows = (rows + 511) / 512 * 512;
        long[] lengths = SwitchLength is { } last ? [0, last + 1] : [length];
        var cos = new float[lengths.Length * rows * RotaryDim];
        var sin = new float[lengths.Length * rows * RotaryDim];
        for (var table = 0; table < lengths.Length; table++)
            Fill(lengths[table], rows, cos.AsSpan((int)(table * rows * RotaryDim)), sin.AsSpan((int)(table * rows * RotaryDim)));
        using var scope = NewDisposeScope();
        Dispose();
        _cos = tensor(cos, lengths.Length * rows, RotaryDim, device: CPU).to(device).DetachFromDisposeScope();
        _sin = tensor(sin, lengths.Length * rows, RotaryDim, device: CPU).to(device).DetachFromDisposeScope();
        _rows = rows;
        _length = length;
    }

    private void Fill(long length, long rows, Span<float> cos, Span<float> sin)
    {
        var (inverse, factor) = InverseFrequencies(length);
        var half = RotaryDim / 2;
        for (var p = 0L; p < rows; p++)
        {
            for (var i = 0; i < half; i++)
            {
                var angle = (double)(p * inverse[i]);
                var at = (int)(p * RotaryDim) + i;
                cos[at] = cos[at + half] = (float)(Math.Cos(angle) * factor);
                sin[at + half] = (float)(Math.Sin(angle) * factor);
                sin[at] = -sin[at + half];
            }
        }
    }

    /// <summary>Inverse frequencies [RotaryDim / 2] and the factor on cos and sin.</summary>
    internal (float[] Inverse, double Factor) InverseFrequencies(long sequenceLength)
    {
        var half = RotaryDim / 2;
        var s = _settings;
        var theta = s.RopeTheta;
        if (s.RopeType == "dynamic" && sequenceLength > _maxPositions)
            theta *= Math.Pow(s.Factor * sequenceLength / _maxPositions - (s.Factor - 1), RotaryDim / (RotaryDim - 2.0));
        var inverse = Enumerable.Range(0, half).Select(i => 1.0 / Math.Pow(theta, 2.0 * i / RotaryDim)).ToArray();
        var factor = 1.0;
        switch (s.RopeType)
        {
            case "linear":
                for (var i = 0; i < half; i++)
                    inverse[i] /= s.Factor;
                break;
            case "llama3":
                for (var i = 0; i < half; i++)
                    inverse[i] = Llama3(inverse[i]);
                break;
            case "yarn":
                factor = Yarn(inverse);
                break;
            case "longrope":
                factor = LongRope(inverse, sequenceLength > OriginalPositions ? s.LongFactor : s.ShortFactor);
                break;
        }

        return (Array.ConvertAll(inverse, f => (float)f), factor);
    }

    private long OriginalPositions => _settings.OriginalMaxPositionEmbeddings > 0 ? _settings.OriginalMaxPositionEmbeddings : _maxPositions;

    /// <summary>
    /// LongRoPE (Ding et al. 2024): each frequency has a divisor of its own, found by search, and the attention is scaled for the longer context.
    /// </summary>
    private double LongRope(double[] inverse, IReadOnlyList<double> divisors)
    {
        var s = _settings;
        for (var i = 0; i < inverse.Length; i++)
            inverse[i] /= divisors[i];
        return s.AttentionFactor ?? (s.Factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(s.Factor) / Math.Log(OriginalPositions)));
    }

    /// <summary>Llama 3.1's scaling: long wavelengths divided by the factor, short ones kept, a ramp between.</summary>
    private double Llama3(double inverse)
    {
        var s = _settings;
        var wavelength = 2 * Math.PI / inverse;
        if (wavelength < s.OriginalMaxPositionEmbeddings / s.HighFreqFactor)
            return inverse;
        if (wavelength > s.OriginalMaxPositionEmbeddings / s.LowFreqFactor)
            return inverse / s.Factor;
        var smooth = (s.OriginalMaxPositionEmbeddings / wavelength - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor);
        return (1 - smooth) * inverse / s.Factor + smooth * inverse;
    }

    /// <summary>YaRN (Peng et al. 2023): interpolates by dimension, and scales the attention.</summary>
    private double Yarn(double[] inverse)
    {
        var s = _settings;
        double Dimension(double rotations) => RotaryDim * Math.Log(OriginalPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(s.RopeTheta));
        var (from, to) = (Dimension(s.BetaFast), Dimension(s.BetaSlow));
        var low = Math.Max(s.Truncate ? Math.Floor(from) : from, 0);
        var high = Math.Min(s.Truncate ? Math.Ceiling(to) : to, RotaryDim - 1);
        for (var i = 0; i < inverse.Length; i++)
        {
            var ramp = Math.Clamp((i - low) / Math.Max(high - low, 0.001), 0, 1);
            inverse[i] = inverse[i] / s.Factor * ramp + inverse[i] * (1 - ramp);
        }

        static double Scale(double factor, double m) => factor <= 1 ? 1 : 0.1 * m * Math.Log(factor) + 1;
        if (s.AttentionFactor is { } given)
            return given;
        return s is { MScale: { } m, MScaleAllDim: { } all } && m != 0 && all != 0 ? Scale(s.Factor, m) / Scale(s.Factor, all) : Scale(s.Factor, 1);
    }
}

/// <summary>Cos and sin rows of one batch, fp32 [N, R], for full and for sliding-window layers.</summary>
internal sealed record RopeRows(Tensor Cos, Tensor Sin, Tensor LocalCos, Tensor LocalSin);
