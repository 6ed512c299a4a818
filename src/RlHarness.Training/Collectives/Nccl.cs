using System.Globalization;
using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using RlHarness.Models.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Collectives;

/// <summary>What ranks do with tensors of their devices where they lie, without the host's memory between. fp32, contiguous.</summary>
public interface IDeviceCollectives
{
    /// <inheritdoc cref="ICollectives.AllReduce(Span{float})"/>
    void AllReduce(Tensor numbers);

    /// <inheritdoc cref="ICollectives.ReduceScatter"/>
    void ReduceScatter(Tensor numbers, Tensor part, IReadOnlyList<int> counts);

    /// <inheritdoc cref="ICollectives.AllGather(Span{float}, IReadOnlyList{int})"/>
    void AllGather(Tensor numbers, IReadOnlyList<int> counts);
}

/// <summary>
/// Collectives of NCCL, each rank with a GPU of its own. What lies in the host's memory goes through a copy on the GPU, so that ranks which nothing else
/// connects (plain <c>srun</c>) can do with it alone. Calls are queued behind libtorch's own work on the default stream, and waited for.
/// </summary>
public sealed unsafe class Nccl : ICollectives, IDeviceCollectives
{
    /// <summary>Bytes that all ranks together gather in one call.</summary>
    private const int MostBytes = 1 << 28;

    private readonly NcclLibrary _nccl;
    private readonly Device _device;
    private readonly delegate* unmanaged[Cdecl]<nint, nint> _address;
    private nint _communicator;

    private Nccl(NcclLibrary nccl, nint communicator, int rank, int size, Device device)
    {
        (_nccl, _communicator, Rank, Size, _device) = (nccl, communicator, rank, size, device);
        _address = (delegate* unmanaged[Cdecl]<nint, nint>)NativeLibrary.GetExport(NativeLibrary.Load("libLibTorchSharp.so"), "THSTensor_data");
    }

    public int Rank { get; }

    public int Size { get; }

    public string Library => $"{_nccl.Version} ({_nccl.Source})";

    /// <summary>Whether the library is here.</summary>
    public static bool IsThere => NcclLibrary.Find() is not null;

    /// <summary>Joins ranks; returns when all have come.</summary>
    /// <param name="device">This rank's GPU, which no other rank has.</param>
    /// <param name="exchange">Given the first rank's id, and null on the others, returns the first rank's id on all.</param>
    /// <exception cref="HarnessException">The library is not there, or refuses.</exception>
    public static Nccl Open(int rank, int size, Device device, Func<byte[]?, byte[]> exchange) => Open(NcclLibrary.Load(), rank, size, device, exchange);

    /// <summary>Joins the tasks of a step of Slurm that nothing else connects; the id goes by a file in the working folder, which they share.</summary>
    /// <exception cref="HarnessException">The library, a GPU or the first rank's file is not there.</exception>
    public static Nccl Open(Launcher launcher)
    {
        ArgumentNullException.ThrowIfNull(launcher);
        var file = new NcclIdFile(NcclIdFile.PathOf(Environment.GetEnvironmentVariable), TimeProvider.System);
        var local = int.TryParse(Environment.GetEnvironmentVariable("SLURM_LOCALID"), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0;
        var device = Devices.Choose($"cuda:{local % Math.Max(1, Devices.CudaCount())}");
        var joined = Open(launcher.Rank, launcher.Size, device, file.Exchange);
        joined.Barrier();
        if (launcher.Rank == 0)
            file.Remove();
        return joined;
    }

    internal static Nccl Open(NcclLibrary nccl, int rank, int size, Device device, Func<byte[]?, byte[]> exchange)
    {
        NcclId own = default;
        if (rank == 0)
            nccl.Check(nccl.GetUniqueId(&own), "ncclGetUniqueId");
        var agreed = exchange(rank == 0 ? MemoryMarshal.AsBytes(new ReadOnlySpan<NcclId>(in own)).ToArray() : null);
        if (agreed.Length != sizeof(NcclId))
            throw new InvalidOperationException($"an id of {agreed.Length} bytes, not {sizeof(NcclId)}");
        var id = MemoryMarshal.Read<NcclId>(agreed);
        nint communicator;
        NcclLibrary.UseDevice(device);
        nccl.Check(nccl.CommInitRank(&communicator, size, id, rank), "ncclCommInitRank");
        return new(nccl, communicator, rank, size, device);
    }

    public void AllReduce(Span<float> numbers) => Staged(numbers, ScalarType.Float32, AllReduce);

    public void AllReduce(Span<double> numbers) => Staged(numbers, ScalarType.Float64, AllReduce);

    public void AllReduce(Tensor numbers)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        var type = numbers.dtype == ScalarType.Float64 ? NcclLibrary.Float64 : NcclLibrary.Float32;
        var at = Address(numbers);
        Call(() => _nccl.AllReduce(at, at, (nuint)numbers.numel(), type, NcclLibrary.Sum, _communicator, 0), "ncclAllReduce");
    }

    public void ReduceScatter(ReadOnlySpan<float> numbers, Span<float> part, IReadOnlyList<int> counts)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var all = empty(numbers.Length, dtype: ScalarType.Float32, device: CPU);
        MemoryMarshal.AsBytes(numbers).CopyTo(HostReads.Memory(all));
        var own = empty(part.Length, dtype: ScalarType.Float32, device: _device);
        ReduceScatter(all.to(_device), own, counts);
        HostReads.Memory(HostReads.Copy(own)).CopyTo(MemoryMarshal.AsBytes(part));
    }

    public void ReduceScatter(Tensor numbers, Tensor part, IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        ArgumentNullException.ThrowIfNull(part);
        var starts = Starts(counts, numbers.numel());
        var own = Address(part);
        var all = (float*)Address(numbers);
        // Parts of different lengths: one sum to each rank, in a group that goes as one.
        Call(
            () =>
            {
                var code = _nccl.GroupStart();
                for (var r = 0; r < Size && code == 0; r++)
                    code = _nccl.Reduce((nint)(all + starts[r]), own, (nuint)counts[r], NcclLibrary.Float32, NcclLibrary.Sum, r, _communicator, 0);
                return code != 0 ? code : _nccl.GroupEnd();
            },
            "ncclReduce"
        );
    }

    public void AllGather(Span<float> numbers, IReadOnlyList<int> counts) => Staged(numbers, ScalarType.Float32, all => AllGather(all, counts));

    public void AllGather(Tensor numbers, IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        var starts = Starts(counts, numbers.numel());
        var all = (float*)Address(numbers);
        Call(
            () =>
            {
                var code = _nccl.GroupStart();
                for (var r = 0; r < Size && code == 0; r++)
                {
                    var at = (nint)(all + starts[r]);
                    code = _nccl.Broadcast(at, at, (nuint)counts[r], NcclLibrary.Float32, r, _communicator, 0);
                }

                return code != 0 ? code : _nccl.GroupEnd();
            },
            "ncclBroadcast"
        );
    }

    public byte[][] AllGather(ReadOnlySpan<byte> own)
    {
        var lengths = new double[Size];
        lengths[Rank] = own.Length;
        AllReduce(lengths.AsSpan());
        var results = Array.ConvertAll(lengths, n => new byte[(long)n]);
        var round = Math.Max(1, MostBytes / Size);
        var longest = (int)lengths.Max();
        for (var at = 0; at < longest; at += round)
        {
            // As many bytes of each rank; what a shorter one lacks is not looked at.
            var length = Math.Min(round, longest - at);
            var gathered = new byte[length * Size];
            if (at < own.Length)
                own[at..Math.Min(own.Length, at + length)].CopyTo(gathered.AsSpan(Rank * length));
            Staged(gathered.AsSpan(), ScalarType.Byte, all =>
            {
                var start = Address(all);
                Call(() => _nccl.AllGather(start + (Rank * length), start, (nuint)length, NcclLibrary.UInt8, _communicator, 0), "ncclAllGather");
            });
            for (var r = 0; r < Size; r++)
                if (at < results[r].Length)
                    gathered.AsSpan(r * length, Math.Min(length, results[r].Length - at)).CopyTo(results[r].AsSpan(at));
        }

        return results;
    }

    public byte[] Broadcast(ReadOnlySpan<byte> own)
    {
        double[] length = [Rank == 0 ? own.Length : 0];
        AllReduce(length.AsSpan());
        var bytes = Rank == 0 ? own.ToArray() : new byte[(long)length[0]];
        Staged(bytes.AsSpan(), ScalarType.Byte, all =>
        {
            var at = Address(all);
            Call(() => _nccl.Broadcast(at, at, (nuint)bytes.Length, NcclLibrary.UInt8, 0, _communicator, 0), "ncclBroadcast");
        });
        return bytes;
    }

    public void Barrier()
    {
        double[] nothing = [0];
        AllReduce(nothing.AsSpan());
    }

    /// <summary>Gives up this rank's part; the others notice that it is gone by its signs of life, or are ended by their launcher.</summary>
    public void Abort(int code)
    {
        if (Interlocked.Exchange(ref _communicator, 0) is var communicator and not 0)
            _ = _nccl.CommAbort(communicator);
    }

    public void Dispose()
    {
        if (_communicator == 0)
            return;
        Barrier();
        _ = _nccl.CommDestroy(_communicator);
        _communicator = 0;
    }

    private nint Address(Tensor tensor) => _address(tensor.Handle);

    /// <summary>Where each part begins.</summary>
    private long[] Starts(IReadOnlyList<int> counts, long total)
    {
        if (counts.Count != Size || counts.Sum(c => (long)c) != total)
            throw new ArgumentException($"{counts.Count} parts of {counts.Sum(c => (long)c)} numbers; there are {Size} of {total}", nameof(counts));
        var starts = new long[Size];
        for (var r = 1; r < Size; r++)
            starts[r] = starts[r - 1] + counts[r - 1];
        return starts;
    }

    /// <summary>Changes numbers of the host in a copy on the device.</summary>
    private void Staged<T>(Span<T> numbers, ScalarType type, Action<Tensor> change)
        where T : unmanaged
    {
        if (numbers.IsEmpty)
            return;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var host = empty(numbers.Length, dtype: type, device: CPU);
        MemoryMarshal.AsBytes(numbers).CopyTo(HostReads.Memory(host));
        var copy = host.to(_device);
        change(copy);
        HostReads.Memory(HostReads.Copy(copy)).CopyTo(MemoryMarshal.AsBytes(numbers));
    }

    private void Call(Func<int> collective, string name)
    {
        NcclLibrary.UseDevice(_device);
        _nccl.Check(collective(), name);
        if (_device.type == DeviceType.CUDA)
            cuda.synchronize(_device);
    }
}

/// <summary>What names a communicator: NCCL's own bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NcclId
{
    internal fixed byte Bytes[128];
}

/// <summary>The functions of <c>libnccl.so.2</c> (NCCL 2, nccl.h), loaded by name.</summary>
internal sealed unsafe class NcclLibrary
{
    /// <summary>A path to use in place of the name that is tried; <c>off</c>: as if the library were not there.</summary>
    internal const string Variable = "RLHARNESS_NCCL";

    internal const string Usual = "libnccl.so.2";

    // ncclDataType_t and ncclRedOp_t.
    internal const int UInt8 = 1,
        Float32 = 7,
        Float64 = 8,
        Sum = 0;

    internal readonly delegate* unmanaged[Cdecl]<NcclId*, int> GetUniqueId;
    internal readonly delegate* unmanaged[Cdecl]<nint*, int, NcclId, int, int> CommInitRank;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> CommDestroy;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> CommAbort;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int> AllReduce;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, int, nint, nint, int> Reduce;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int> Broadcast;
    internal readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, int, nint, nint, int> AllGather;
    internal readonly delegate* unmanaged[Cdecl]<int> GroupStart;
    internal readonly delegate* unmanaged[Cdecl]<int> GroupEnd;
    private readonly delegate* unmanaged[Cdecl]<int, nint> _errorString;

    private NcclLibrary(nint library, string source)
    {
        void* F(string name) =>
            NativeLibrary.TryGetExport(library, name, out var address)
                ? (void*)address
                : throw new HarnessException(ErrorKind.Resource, $"{source} is no NCCL that fits", $"no {name}", "NCCL 2");
        GetUniqueId = (delegate* unmanaged[Cdecl]<NcclId*, int>)F("ncclGetUniqueId");
        CommInitRank = (delegate* unmanaged[Cdecl]<nint*, int, NcclId, int, int>)F("ncclCommInitRank");
        CommDestroy = (delegate* unmanaged[Cdecl]<nint, int>)F("ncclCommDestroy");
        CommAbort = (delegate* unmanaged[Cdecl]<nint, int>)F("ncclCommAbort");
        AllReduce = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int>)F("ncclAllReduce");
        Reduce = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, int, nint, nint, int>)F("ncclReduce");
        Broadcast = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, int, nint, nint, int>)F("ncclBroadcast");
        AllGather = (delegate* unmanaged[Cdecl]<nint, nint, nuint, int, nint, nint, int>)F("ncclAllGather");
        GroupStart = (delegate* unmanaged[Cdecl]<int>)F("ncclGroupStart");
        GroupEnd = (delegate* unmanaged[Cdecl]<int>)F("ncclGroupEnd");
        _errorString = (delegate* unmanaged[Cdecl]<int, nint>)F("ncclGetErrorString");
        var version = 0;
        Check(((delegate* unmanaged[Cdecl]<int*, int>)F("ncclGetVersion"))(&version), "ncclGetVersion");
        Version = string.Create(CultureInfo.InvariantCulture, $"NCCL {version / 10000}.{version / 100 % 100}.{version % 100}");
        Source = source;
    }

    internal string Version { get; }

    /// <summary>The name or path that it was found by.</summary>
    internal string Source { get; }

    /// <exception cref="HarnessException">It is not there.</exception>
    internal static NcclLibrary Load(string? path = null) =>
        Find(path)
        ?? throw new HarnessException(
            ErrorKind.Resource,
            "NCCL is not there",
            $"no {path ?? Environment.GetEnvironmentVariable(Variable) ?? Usual}",
            "NCCL 2, which every PyTorch with CUDA has beside it",
            $"put its folder (site-packages/nvidia/nccl/lib of a pip's PyTorch) in LD_LIBRARY_PATH, or set {Variable} to the file"
        );

    /// <summary>The library; null where it is not there.</summary>
    internal static NcclLibrary? Find(string? path = null)
    {
        var name = path ?? Environment.GetEnvironmentVariable(Variable) ?? Usual;
        return name != "off" && NativeLibrary.TryLoad(name, out var library) ? new(library, name) : null;
    }

    /// <summary>Makes a GPU the calling thread's own, as NCCL wants it.</summary>
    internal static void UseDevice(Device device)
    {
        if (device.type != DeviceType.CUDA)
            return;
        // libtorch has loaded the one that it was built with.
        foreach (var name in new[] { "libcudart.so.12", "libcudart.so.13", "libcudart.so" })
            if (NativeLibrary.TryLoad(name, out var runtime) && NativeLibrary.TryGetExport(runtime, "cudaSetDevice", out var set))
            {
                var code = ((delegate* unmanaged[Cdecl]<int, int>)set)(Math.Max(0, device.index));
                if (code != 0)
                    throw new HarnessException(ErrorKind.Resource, $"cudaSetDevice({device.index}) failed", $"{code}", "0", "see nvidia-smi");
                return;
            }

        throw new HarnessException(ErrorKind.Resource, "CUDA's runtime is not there", "no libcudart.so", "that of libtorch", "docs/backends.md");
    }

    /// <exception cref="HarnessException">The call failed: the library's own words are in the message.</exception>
    internal void Check(int code, string call)
    {
        if (code != 0)
            throw new HarnessException(
                ErrorKind.Resource,
                $"{call} failed",
                $"{code}: {Marshal.PtrToStringUTF8(_errorString(code))}",
                "0",
                "set NCCL_DEBUG=WARN to hear more of it; RLHARNESS_NCCL=off sums through the host's memory"
            );
    }
}

/// <summary>Brings the first rank's id to the others by a file that all of them see.</summary>
/// <param name="wait">How long the others wait for it; null: two minutes.</param>
internal sealed class NcclIdFile(string path, TimeProvider time, TimeSpan? wait = null)
{
    private static readonly TimeSpan Usual = TimeSpan.FromMinutes(2);

    /// <summary>A name for each start of a step of Slurm, in the working folder.</summary>
    internal static string PathOf(Func<string, string?> variable) =>
        Path.GetFullPath($".nccl-{variable("SLURM_JOB_ID") ?? "0"}-{variable("SLURM_RESTART_COUNT") ?? "0"}-{variable("SLURM_STEP_ID") ?? "0"}");

    /// <param name="own">The first rank's id; null on the others.</param>
    /// <exception cref="HarnessException">It does not come.</exception>
    internal byte[] Exchange(byte[]? own)
    {
        if (own is not null)
        {
            // Written aside and renamed, so that no rank reads a part of it.
            File.WriteAllBytes(path + ".new", own);
            File.Move(path + ".new", path, overwrite: true);
            return own;
        }

        var limit = wait ?? Usual;
        var started = time.GetTimestamp();
        using var never = new ManualResetEventSlim();
        while (time.GetElapsedTime(started) < limit)
        {
            if (File.Exists(path))
                return File.ReadAllBytes(path);
            never.Wait(TimeSpan.FromMilliseconds(100));
        }

        throw new HarnessException(
            ErrorKind.Resource,
            "the first rank's NCCL id has not come",
            string.Create(CultureInfo.InvariantCulture, $"no {path} on {Environment.MachineName} after {limit.TotalSeconds:0} s"),
            "a file that rank 0 writes",
            "start all ranks in one folder that all machines see"
        );
    }

    internal void Remove() => File.Delete(path);
}
