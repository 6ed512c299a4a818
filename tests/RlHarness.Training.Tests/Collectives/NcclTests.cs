using System.Diagnostics;
using RlHarness.Core.Errors;
using RlHarness.Training.Collectives;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Collectives;

/// <summary>
/// What can be held of NCCL without a GPU: what is said where it is missing, how the id travels, and that the calls have the arguments of nccl.h, by a library
/// in C that answers as NCCL would on rank 1 of 2 whose other rank has the same numbers. That NCCL itself does what is meant has not been seen.
/// </summary>
[Trait("kind", "contract")]
public sealed class NcclTests : IDisposable
{
    private const string Source = """
        #include <stddef.h>
        #include <string.h>
        typedef struct { char internal[128]; } ncclUniqueId;
        typedef struct comm { int ranks, rank; } *ncclComm_t;
        static struct comm the;
        static int grouped;
        static size_t width(int type) { return type == 8 ? 8 : type == 7 ? 4 : type == 1 ? 1 : 0; }
        static int twice(const void *from, void *to, size_t n, int type) {
            size_t i;
            if (type == 7) for (i = 0; i < n; i++) ((float *)to)[i] = 2 * ((const float *)from)[i];
            else if (type == 8) for (i = 0; i < n; i++) ((double *)to)[i] = 2 * ((const double *)from)[i];
            else return 4;
            return 0;
        }
        int ncclGetVersion(int *version) { *version = 22705; return 0; }
        const char *ncclGetErrorString(int code) { return code == 4 ? "invalid argument" : code == 5 ? "invalid usage" : "no error"; }
        int ncclGetUniqueId(ncclUniqueId *id) { for (int i = 0; i < 128; i++) id->internal[i] = (char)(i + 1); return 0; }
        int ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
            for (int i = 0; i < 128; i++) if (id.internal[i] != (char)(i + 1)) return 4;
            the.ranks = ranks; the.rank = rank; *comm = &the;
            return rank < ranks ? 0 : 5;
        }
        int ncclCommDestroy(ncclComm_t comm) { return comm == &the ? 0 : 4; }
        int ncclCommAbort(ncclComm_t comm) { return comm == &the ? 0 : 4; }
        int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, ncclComm_t comm, void *stream) {
            return comm != &the || op != 0 || stream ? 4 : twice(from, to, n, type);
        }
        int ncclReduce(const void *from, void *to, size_t n, int type, int op, int root, ncclComm_t comm, void *stream) {
            if (comm != &the || op != 0 || stream || !grouped) return 4;
            return root == the.rank ? twice(from, to, n, type) : 0;
        }
        int ncclBroadcast(const void *from, void *to, size_t n, int type, int root, ncclComm_t comm, void *stream) {
            if (comm != &the || stream || !width(type)) return 4;
            if (root != the.rank) memset(to, type == 1 ? 'b' : 0, n * width(type));
            return 0;
        }
        int ncclAllGather(const void *from, void *to, size_t n, int type, ncclComm_t comm, void *stream) {
            if (comm != &the || stream || !width(type)) return 4;
            for (int r = 0; r < the.ranks; r++) memmove((char *)to + r * n * width(type), from, n * width(type));
            return 0;
        }
        int ncclGroupStart(void) { grouped = 1; return 0; }
        int ncclGroupEnd(void) { grouped = 0; return 0; }
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-nccl-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private static byte[] Id => [.. Enumerable.Range(1, 128).Select(i => (byte)i)];

    private Nccl Open(int rank, byte[]? id = null)
    {
        File.WriteAllText(At("nccl.c"), Source);
        using var compiler = Compiler();
        Assert.SkipWhen(compiler is null, "no C compiler");
        compiler!.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        return Nccl.Open(NcclLibrary.Load(At("libnccl.so.2")), rank, 2, CPU, own => own ?? id ?? Id);
    }

    private Process? Compiler()
    {
        try
        {
            return Process.Start("cc", ["-shared", "-fPIC", "-o", At("libnccl.so.2"), At("nccl.c")]);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [Fact]
    public void Calls_have_the_arguments_of_the_library_s_header()
    {
        using var nccl = Open(rank: 1);
        Assert.Equal((1, 2), (nccl.Rank, nccl.Size));
        Assert.StartsWith("NCCL 2.27.5", nccl.Library, StringComparison.Ordinal);
        float[] floats = [1, 2, 3];
        nccl.AllReduce(floats.AsSpan());
        Assert.Equal([2f, 4, 6], floats);
        double[] doubles = [0.5];
        nccl.AllReduce(doubles.AsSpan());
        Assert.Equal([1.0], doubles);
        // Rank 1 has the last two of three numbers.
        var part = new float[2];
        nccl.ReduceScatter([1, 2, 3], part, [1, 2]);
        Assert.Equal([4f, 6], part);
        float[] whole = [9, 2, 3];
        nccl.AllGather(whole.AsSpan(), [1, 2]);
        Assert.Equal([0f, 2, 3], whole);
        // Lengths are summed, each rank's at its place: the other rank, which says the same, makes this rank's 2 a 4, and its own 0.
        var gathered = nccl.AllGather([1, 2]);
        Assert.Empty(gathered[0]);
        Assert.Equal([1, 2, 0, 0], gathered[1]);
        nccl.Barrier();
        Assert.Throws<ArgumentException>(() => nccl.AllGather(whole.AsSpan(), [1, 1]));
        // Tensors are changed where they lie, also in the middle of another.
        using var tensor = arange(6, dtype: ScalarType.Float32, device: CPU);
        using var middle = tensor.narrow(0, 2, 3);
        nccl.AllReduce(middle);
        Assert.Equal([0f, 1, 4, 6, 8, 5], tensor.data<float>().ToArray());
        using var sums = zeros(1, dtype: ScalarType.Float32, device: CPU);
        nccl.ReduceScatter(middle, sums, [2, 1]);
        Assert.Equal(16, sums.item<float>());
    }

    [Fact]
    public void The_first_rank_s_id_is_the_library_s_and_what_the_library_refuses_is_said_in_its_words()
    {
        using (var first = Open(rank: 0))
            Assert.Equal(0, first.Rank);
        var error = Assert.Throws<HarnessException>(() => Open(rank: 1, id: new byte[128]));
        Assert.Contains("ncclCommInitRank failed", error.Message, StringComparison.Ordinal);
        Assert.Contains("4: invalid argument", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_library_is_said_with_where_it_would_be()
    {
        Assert.Null(NcclLibrary.Find(At("none.so")));
        Assert.Null(NcclLibrary.Find("off"));
        var error = Assert.Throws<HarnessException>(() => NcclLibrary.Load(At("none.so")));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.All(["NCCL is not there", At("none.so"), "LD_LIBRARY_PATH", "RLHARNESS_NCCL"], w => Assert.Contains(w, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_id_goes_to_other_ranks_by_a_file()
    {
        var file = new NcclIdFile(At("id"), TimeProvider.System);
        var others = Enumerable.Range(0, 3).Select(_ => Task.Run(() => file.Exchange(null))).ToArray();
        Assert.Equal(Id, file.Exchange(Id));
        foreach (var other in others)
            Assert.Equal(Id, await other);
        file.Remove();
        Assert.Empty(_folder.GetFiles());
        var error = Assert.Throws<HarnessException>(() => new NcclIdFile(At("id"), TimeProvider.System, TimeSpan.FromMilliseconds(50)).Exchange(null));
        Assert.Contains("one folder that all machines see", error.Message, StringComparison.Ordinal);
        // Each start of a step has its own.
        string PathOf(params (string, string)[] variables) => NcclIdFile.PathOf(name => variables.FirstOrDefault(v => v.Item1 == name).Item2);
        Assert.EndsWith(".nccl-17-2-0", PathOf(("SLURM_JOB_ID", "17"), ("SLURM_RESTART_COUNT", "2"), ("SLURM_STEP_ID", "0")), StringComparison.Ordinal);
        Assert.EndsWith(".nccl-17-0-1", PathOf(("SLURM_JOB_ID", "17"), ("SLURM_STEP_ID", "1")), StringComparison.Ordinal);
    }
}
