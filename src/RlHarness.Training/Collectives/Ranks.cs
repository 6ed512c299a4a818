using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Models.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Collectives;

/// <summary>
/// The processes of a run, as the run sees them. All of them run the same program over the same settings and hold the same state; what is costly is split, and
/// each part ends in a gather behind which all ranks have all of it. What depends on files, clocks or other services is decided by the first rank, which alone
/// writes the run's folder. An error or a stop in a part reaches all ranks at the end of that part.
/// </summary>
public sealed class Ranks
{
    /// <summary>Floats of one all-reduce: 256 MiB, so that a copy of a GPU's gradient stays small beside it.</summary>
    private const long Piece = 1 << 26;

    private static readonly JsonSerializerOptions Json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, IncludeFields = true };

    private readonly ICollectives _collectives;
    private readonly CancellationTokenSource? _agreed;
    private long _communicating;

    /// <param name="collectives">What they are connected by.</param>
    /// <param name="stop">Asks this rank to stop; all of them do when one is asked.</param>
    public Ranks(ICollectives collectives, CancellationToken stop = default)
    {
        (_collectives, Asked) = (collectives, stop);
        _agreed = IsAlone ? null : new();
    }

    /// <summary>A single process that nobody stops.</summary>
    public static Ranks Alone { get; } = new(new OneProcess());

    /// <summary>The operations themselves.</summary>
    public ICollectives Collectives => _collectives;

    public int Rank => _collectives.Rank;

    public int Size => _collectives.Size;

    public bool IsAlone => Size == 1;

    /// <summary>Whether this is the rank that decides, writes and prints.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>What asks this rank alone to stop. For work whose end is a gather.</summary>
    public CancellationToken Asked { get; }

    /// <summary>Cancelled once all ranks know that they stop, so that none of them leaves the others waiting.</summary>
    public CancellationToken Agreed => _agreed?.Token ?? Asked;

    /// <summary>The libraries that connect them, for people.</summary>
    public string Library => OnDevice is ICollectives own && own != _collectives ? $"{_collectives.Library}, GPUs by {own.Library}" : _collectives.Library;

    /// <summary>Sums tensors on GPUs where they lie; null: they go through the host's memory.</summary>
    internal IDeviceCollectives? OnDevice { get; set; }

    /// <summary>Connects the ranks' GPUs by NCCL, where all ranks have the library and a GPU that no other rank has.</summary>
    /// <param name="device">This rank's.</param>
    /// <param name="isOwn">Whether no other rank computes on it.</param>
    public void Connect(Device device, bool isOwn)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (IsAlone || device.type != DeviceType.CUDA)
            return;
        OnDevice = _collectives as IDeviceCollectives;
        if (OnDevice is null && Sum("who has NCCL", isOwn && Nccl.IsThere ? 1 : 0) == Size)
            OnDevice = Nccl.Open(Rank, Size, device, own => _collectives.Broadcast(own ?? []));
    }

    /// <summary>Seconds that this rank has spent in collectives, the wait for other ranks included.</summary>
    public double CommunicationSeconds => Stopwatch.GetElapsedTime(0, _communicating).TotalSeconds;

    /// <summary>Looks after the other ranks while this one waits for them; null: nobody does.</summary>
    public RankWatch? Watch { get; set; }

    /// <summary>Waits until every rank is here.</summary>
    public void Barrier(string what)
    {
        if (IsAlone)
            return;
        Wait(what, _collectives.Barrier);
    }

    /// <summary>"rank 1 of 2: ", or nothing for a process alone.</summary>
    public string Prefix => IsAlone ? "" : FormattableString.Invariant($"rank {Rank} of {Size}: ");

    /// <summary>Each rank's share of some work, by rank.</summary>
    /// <param name="what">Names the work: ranks that are at different work are found out.</param>
    /// <param name="share">What this rank does; all ranks see its bytes.</param>
    /// <exception cref="HarnessException">That of the first rank whose share had one; it names the rank.</exception>
    /// <exception cref="OperationCanceledException">A rank was stopped.</exception>
    public IReadOnlyList<byte[]> Gather(string what, Func<byte[]> share)
    {
        ArgumentNullException.ThrowIfNull(share);
        if (IsAlone)
            return [share()];
        var own = Message.Of(what, share);
        var all = Wait(what, () => _collectives.AllGather(own));
        var messages = Array.ConvertAll(all, Message.Read);
        var other = Array.FindIndex(messages, m => m.What != what);
        if (other >= 0)
            throw new InvalidOperationException($"{Prefix}this rank gathers {what}, and rank {other} gathers {messages[other].What}");
        for (var r = 0; r < Size; r++)
            if (messages[r].Error is { } error)
                throw error.At(FormattableString.Invariant($"rank {r} of {Size}"));
        if (Array.Exists(messages, m => m.Stopped))
            throw Stopped();
        return Array.ConvertAll(messages, m => m.Bytes);
    }

    /// <summary><see cref="Gather(string, Func{byte[]})"/> of numbers, whose count may differ from rank to rank.</summary>
    public IReadOnlyList<double[]> Gather(string what, Func<double[]> share) =>
        [.. Gather(what, () => MemoryMarshal.AsBytes(share().AsSpan()).ToArray()).Select(b => MemoryMarshal.Cast<byte, double>(b).ToArray())];

    /// <summary>What the first rank says, on all ranks.</summary>
    /// <param name="what">Names it.</param>
    /// <param name="compute">Called on the first rank alone.</param>
    public T FromFirst<T>(string what, Func<T> compute)
    {
        ArgumentNullException.ThrowIfNull(compute);
        if (IsAlone)
            return compute();
        var computed = default(T);
        var own = IsFirst ? Message.Of(what, () => JsonSerializer.SerializeToUtf8Bytes(computed = compute(), Json)) : [];
        var message = Message.Read(Wait(what, () => _collectives.Broadcast(own)));
        if (message.What != what)
            throw new InvalidOperationException($"{Prefix}this rank waits for {what}, and rank 0 sends {message.What}");
        if (message.Error is { } error)
            throw error;
        if (message.Stopped)
            throw Stopped();
        return IsFirst ? computed! : JsonSerializer.Deserialize<T>(message.Bytes, Json)!;
    }

    /// <summary>Work of the first rank that the others wait for.</summary>
    public void FirstDoes(string what, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        FromFirst(what, () =>
        {
            work();
            return true;
        });
    }

    /// <summary>Replaces each number of a contiguous fp32 tensor by its sum over all ranks.</summary>
    public void AddUp(string what, Tensor flat)
    {
        ArgumentNullException.ThrowIfNull(flat);
        if (IsAlone)
            return;
        using var guard = no_grad();
        for (var at = 0L; at < flat.shape[0]; at += Piece)
        {
            using var scope = NewDisposeScope();
            var piece = flat.narrow(0, at, Math.Min(Piece, flat.shape[0] - at));
            if (Device(piece) is { } gpus)
                Wait(what, () => gpus.AllReduce(piece));
            else
                OnHost(piece, host => Wait(what, () => _collectives.AllReduce(MemoryMarshal.Cast<byte, float>(HostReads.Memory(host)))));
        }
    }

    /// <summary>Replaces the numbers of this rank's shards of a contiguous fp32 tensor by their sums over all ranks; the others are left as they are.</summary>
    internal void AddUp(string what, Tensor flat, IReadOnlyList<Shard> shards)
    {
        using var guard = no_grad();
        foreach (var shard in shards)
        {
            using var scope = NewDisposeScope();
            if (Device(flat) is { } gpus)
            {
                // Not in place: what is summed must not be written while other ranks read it.
                var sums = empty(shard.OwnCount, dtype: flat.dtype, device: flat.device);
                Wait(what, () => gpus.ReduceScatter(flat.narrow(0, shard.Start, shard.Count), sums, shard.Counts));
                flat.narrow(0, shard.Own, shard.OwnCount).copy_(sums);
                continue;
            }

            var block = HostReads.Copy(flat.narrow(0, shard.Start, shard.Count));
            // Memory that goes back at once: garbage of this size outlives what sharding spares.
            var part = empty(shard.OwnCount, dtype: ScalarType.Float32, device: CPU);
            Wait(what, () =>
                _collectives.ReduceScatter(
                    MemoryMarshal.Cast<byte, float>(HostReads.Memory(block)),
                    MemoryMarshal.Cast<byte, float>(HostReads.Memory(part)),
                    shard.Counts
                )
            );
            if (shard.OwnCount > 0)
                flat.narrow(0, shard.Own, shard.OwnCount).copy_(part);
        }
    }

    /// <summary>Brings the numbers of each rank's shards of a contiguous fp32 tensor to all ranks.</summary>
    internal void Complete(string what, Tensor flat, IReadOnlyList<Shard> shards)
    {
        using var guard = no_grad();
        foreach (var shard in shards)
        {
            using var scope = NewDisposeScope();
            var block = flat.narrow(0, shard.Start, shard.Count);
            if (Device(block) is { } gpus)
                Wait(what, () => gpus.AllGather(block, shard.Counts));
            else
                OnHost(block, host => Wait(what, () => _collectives.AllGather(MemoryMarshal.Cast<byte, float>(HostReads.Memory(host)), shard.Counts)));
        }
    }

    /// <summary>Ends the work where this rank, or any other, is asked to stop.</summary>
    /// <exception cref="OperationCanceledException">On all ranks.</exception>
    public void StopIfAsked()
    {
        if (IsAlone)
        {
            Asked.ThrowIfCancellationRequested();
            return;
        }

        if (Sum("a stop", Asked.IsCancellationRequested ? 1 : 0) > 0)
            throw Stopped();
    }

    /// <summary>The sum of a number over all ranks.</summary>
    public double Sum(string what, double number)
    {
        if (IsAlone)
            return number;
        double[] sum = [number];
        Wait(what, () => _collectives.AllReduce(sum.AsSpan()));
        return sum[0];
    }

    /// <summary>The part of some items that is this rank's, where they cost about the same: each <see cref="Size"/>-th.</summary>
    public IEnumerable<int> Own(int count) => Enumerable.Range(0, count).Where(i => i % Size == Rank);

    /// <summary>A number for each of some items that cost about the same, each computed by one rank.</summary>
    public double[] Each(string what, int count, Func<int, double> compute)
    {
        var parts = Gather(what, () => (double[])[.. Own(count).Select(compute)]);
        return [.. Enumerable.Range(0, count).Select(i => parts[i % Size][i / Size])];
    }

    /// <summary>What ends the work on all ranks, once all of them know that one was asked to stop.</summary>
    internal OperationCanceledException Stopped()
    {
        _agreed!.Cancel();
        return new OperationCanceledException(_agreed.Token);
    }

    private IDeviceCollectives? Device(Tensor tensor) => tensor.device_type == DeviceType.CPU ? null : OnDevice;

    /// <summary>Changes a tensor in the memory of the host, through a copy where it lies elsewhere.</summary>
    private static void OnHost(Tensor tensor, Action<Tensor> change)
    {
        var host = tensor.device_type == DeviceType.CPU ? tensor : HostReads.Copy(tensor);
        change(host);
        if (!ReferenceEquals(host, tensor))
            tensor.copy_(host);
    }

    private void Wait(string what, Action collective) => Wait(what, () =>
        {
            collective();
            return true;
        });

    private T Wait<T>(string what, Func<T> collective)
    {
        var started = Stopwatch.GetTimestamp();
        Watch?.Enter(what);
        try
        {
            return collective();
        }
        finally
        {
            Watch?.Leave();
            _communicating += Stopwatch.GetTimestamp() - started;
        }
    }

    /// <summary>What a rank sends: the name of the work, and bytes, an error or a stop.</summary>
    private readonly record struct Message(string What, byte[] Bytes, HarnessException? Error, bool Stopped)
    {
        private const byte Done = 0,
            Failed = 1,
            Stop = 2;

        internal static byte[] Of(string what, Func<byte[]> share)
        {
            try
            {
                return Bytes(Done, what, share());
            }
            catch (HarnessException e)
            {
                return Bytes(Failed, what, [(byte)e.Kind, .. Encoding.UTF8.GetBytes(e.Message)]);
            }
            catch (OperationCanceledException)
            {
                return Bytes(Stop, what, []);
            }

            static byte[] Bytes(byte state, string what, byte[] content)
            {
                var name = Encoding.UTF8.GetBytes(what);
                var message = new byte[5 + name.Length + content.Length];
                message[0] = state;
                BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(1), name.Length);
                name.CopyTo(message, 5);
                content.CopyTo(message, 5 + name.Length);
                return message;
            }
        }

        internal static Message Read(byte[] message)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(1));
            var (what, content) = (Encoding.UTF8.GetString(message, 5, length), message[(5 + length)..]);
            var error = message[0] == Failed ? new HarnessException((ErrorKind)content[0], Encoding.UTF8.GetString(content, 1, content.Length - 1)) : null;
            return new(what, content, error, message[0] == Stop);
        }
    }
}
