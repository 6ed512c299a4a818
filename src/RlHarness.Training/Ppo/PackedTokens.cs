using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: N episodes, T response tokens of the longest, R response tokens of all.
namespace RlHarness.Training.Ppo;

/// <summary>One value for each response token of N episodes, in one tensor [R]: episode i has the values from offset i up to offset i + 1.</summary>
public sealed class PackedTokens : IDisposable
{
    private readonly int[] _offsets;
    private readonly Tensor _values;
    private double[]? _host;

    private PackedTokens(Tensor values, int[] offsets)
    {
        _values = values.DetachFromDisposeScope();
        _offsets = offsets;
    }

    /// <summary>Room for the episodes' values; <see cref="Scatter"/> fills it.</summary>
    /// <param name="lengths">Response tokens of each episode.</param>
    public static PackedTokens Empty(IReadOnlyList<int> lengths, ScalarType type, Device device)
    {
        var offsets = OffsetsOf(lengths);
        return new(zeros(offsets[^1], dtype: type, device: device), offsets);
    }

    /// <summary>Values given episode by episode.</summary>
    public static PackedTokens Of(IReadOnlyList<double[]> rows, ScalarType type, Device device)
    {
        ArgumentNullException.ThrowIfNull(rows);
        double[] flat = [.. rows.SelectMany(row => row)]; // [R]
        return new(tensor(flat, device: CPU).to(type).to(device), OffsetsOf([.. rows.Select(row => row.Length)]))
        {
            _host = type == ScalarType.Float64 ? flat : null,
        };
    }

    /// <summary>The first values of each row of a padded tensor [N, T] that lies on the host, in float64.</summary>
    public static PackedTokens OfPadded(Tensor padded, IReadOnlyList<int> lengths, Device device)
    {
        var offsets = OffsetsOf(lengths);
        using var scope = NewDisposeScope();
        var flat = padded.reshape(-1).index_select(0, Positions(offsets, padded.shape[1])); // [R]
        return new(flat.to(device), offsets) { _host = MemoryMarshal.Cast<byte, double>(HostReads.Memory(flat)).ToArray() };
    }

    /// <summary>Number of episodes.</summary>
    public int Count => _offsets.Length - 1;

    /// <summary>An episode's values, copied to the host.</summary>
    public double[] this[int episode] => Host[_offsets[episode].._offsets[episode + 1]];

    /// <summary>All episodes' values, copied to the host.</summary>
    public IEnumerable<double[]> Rows => Enumerable.Range(0, Count).Select(i => this[i]);

    /// <summary>The values of some episodes as float32, one after another: the order of a packed batch.</summary>
    public Tensor Gather(IReadOnlyList<int> episodes) => _values.index_select(0, Indices(episodes)).to(ScalarType.Float32);

    /// <summary>Stores the values of some episodes, given in the order of a packed batch.</summary>
    internal void Scatter(IReadOnlyList<int> episodes, Tensor values)
    {
        OperandDevices.Same("values of tokens", _values, values);
        _values.index_copy_(0, Indices(episodes), values.to(_values.dtype));
    }

    /// <summary>The values of some episodes in several, as float32: what <see cref="Restore"/> reads.</summary>
    internal static byte[] Bytes(IReadOnlyList<int> episodes, IReadOnlyList<PackedTokens> packed)
    {
        if (episodes.Count == 0)
            return [];
        using var scope = NewDisposeScope();
        return HostReads.Memory(HostReads.Copy(cat([.. packed.Select(p => p.Gather(episodes))], 0))).ToArray();
    }

    /// <summary>Stores what another rank scored.</summary>
    internal static void Restore(IReadOnlyList<int> episodes, IReadOnlyList<PackedTokens> packed, byte[] bytes)
    {
        if (episodes.Count == 0)
            return;
        using var scope = NewDisposeScope();
        var values = MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        var each = values.Length / packed.Count;
        for (var p = 0; p < packed.Count; p++)
            packed[p].Scatter(episodes, tensor(values[(p * each)..((p + 1) * each)], device: packed[p]._values.device));
    }

    /// <summary>On the host in float64, padded with 0 to the longest episode: [N, T].</summary>
    internal Tensor Padded()
    {
        var longest = Enumerable.Range(0, Count).Max(i => _offsets[i + 1] - _offsets[i]);
        var flat = zeros((long)Count * longest, dtype: ScalarType.Float64, device: CPU);
        flat.index_copy_(0, Positions(_offsets, longest), tensor(Host, device: CPU));
        return flat.view(Count, longest); // [N, T]
    }

    /// <summary>Copies several to the host by one read; what is asked of them there needs none then.</summary>
    internal static void Load(params IReadOnlyList<PackedTokens> all)
    {
        foreach (var (packed, host) in all.Zip(HostReads.Numbers([.. all.Select(p => p._values)])))
            packed._host = host;
    }

    /// <summary>Looks at all values; where one is not finite, the first is named by its episode and token, both from 1.</summary>
    /// <exception cref="HarnessException">A value is not finite.</exception>
    internal void RequireFinite(string what)
    {
        var at = Array.FindIndex(Host, value => !double.IsFinite(value));
        if (at < 0)
            return;
        var episode = Array.FindLastIndex(_offsets, offset => offset <= at);
        throw HarnessException.NotFinite($"{what} of token {at - _offsets[episode] + 1} of response {episode + 1} of {Count}", Host[at]);
    }

    public void Dispose() => _values.Dispose();

    private double[] Host => _host ??= HostReads.Numbers(_values)[0];

    private Tensor Indices(IReadOnlyList<int> episodes) =>
        tensor(episodes.SelectMany(i => Enumerable.Range(_offsets[i], _offsets[i + 1] - _offsets[i])).Select(k => (long)k).ToArray(), device: _values.device);

    // Where each packed value stands in a flat [N * width].
    private static Tensor Positions(int[] offsets, long width) =>
        tensor(
            Enumerable.Range(0, offsets.Length - 1).SelectMany(i => Enumerable.Range(0, offsets[i + 1] - offsets[i]).Select(t => i * width + t)).ToArray(),
            device: CPU
        );

    private static int[] OffsetsOf(IReadOnlyList<int> lengths)
    {
        var offsets = new int[lengths.Count + 1];
        for (var i = 0; i < lengths.Count; i++)
            offsets[i + 1] = offsets[i] + lengths[i];
        return offsets;
    }
}
