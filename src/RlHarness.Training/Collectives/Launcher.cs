using System.Globalization;
using System.Text;

namespace RlHarness.Training.Collectives;

/// <summary>The family of MPI libraries that a launcher belongs to: their handles differ.</summary>
public enum MpiFamily
{
    OpenMpi,
    Mpich,
}

/// <summary>What the environment says of the launcher that started this process as one of several.</summary>
/// <param name="Name">The launcher, for people.</param>
/// <param name="Family">Whose library speaks with this launcher; null: the launcher offers none.</param>
/// <param name="Rank">Number of this process, from 0.</param>
/// <param name="Size">How many it started.</param>
public sealed record Launcher(string Name, MpiFamily? Family, int Rank, int Size)
{
    /// <summary>The launcher of this process; null where it was started alone.</summary>
    public static Launcher? Current { get; } = Of(Environment.GetEnvironmentVariable);

    /// <summary>Whether this process prints: rank 0 alone does.</summary>
    public static bool Prints => Current is null or { Rank: 0 };

    /// <summary>Reads a launcher's variables.</summary>
    /// <returns>Null where there are none, and for a step of Slurm with one task and no MPI.</returns>
    public static Launcher? Of(Func<string, string?> variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        int? Number(string name) => int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;
        // Below mpirun the variables of a step of Slurm are those of mpirun's own helpers.
        var (step, task) = (Number("SLURM_STEP_NUM_TASKS"), Number("SLURM_PROCID"));
        if (Number("OMPI_COMM_WORLD_RANK") is { } rank && Number("OMPI_COMM_WORLD_SIZE") is { } size)
            return new("Open MPI's mpirun", MpiFamily.OpenMpi, rank, size);
        if (Number("PMIX_RANK") is { } pmix)
            return new(step is null ? "a PMIx launcher" : "srun --mpi=pmix", MpiFamily.OpenMpi, pmix, step ?? Number("SLURM_NTASKS") ?? 1);
        if (Number("PMI_RANK") is { } pmi)
            return new(step is null ? "MPICH's mpiexec" : "srun --mpi=pmi2", MpiFamily.Mpich, pmi, Number("PMI_SIZE") ?? step ?? 1);
        return step is > 1 ? new("srun", null, task ?? 0, step.Value) : null;
    }
}

/// <summary>
/// How many threads a rank takes. libtorch takes one wherever the launcher says that a machine has several ranks, whatever they are bound to, so that the
/// number is set from the processors that this rank may use and the ranks that may use the same ones.
/// </summary>
public static class RankThreads
{
    /// <summary>As OpenMP reads it.</summary>
    private const string Variable = "OMP_NUM_THREADS";

    /// <param name="Threads">Of this rank.</param>
    /// <param name="Words">Where the number comes from, on all ranks.</param>
    public sealed record Choice(int Threads, string Words);

    /// <summary>Asks all ranks what they may use.</summary>
    public static Choice Choose(Ranks ranks)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        var all = ranks.Gather("processors", () => Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{Environment.ProcessorCount}\n{Mask()}"));
        (string Host, int Usable, string Mask)[] said =
        [
            .. all.Select(b => Encoding.UTF8.GetString(b).Split('\n')).Select(p => (p[0], int.Parse(p[1], CultureInfo.InvariantCulture), p[2])),
        ];
        int[] each = [.. said.Select(own => Math.Max(1, own.Usable / said.Count(other => other.Host == own.Host && Overlap(other.Mask, own.Mask))))];
        if (int.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out var set) && set > 0)
            return new(set, $"{set} by {Variable}");
        var hosts = said.Select(s => s.Host).Distinct().Count();
        var words = string.Create(
            CultureInfo.InvariantCulture,
            $"{(each.Min() == each.Max() ? $"{each[0]} each" : string.Join(", ", each))}, of {string.Join(", ", said.Select(s => s.Usable).Distinct())} "
                + $"processors that a rank may use on {hosts} {(hosts == 1 ? "machine" : "machines")}"
        );
        return new(each[ranks.Rank], words);
    }

    /// <summary>Whether two masks of processors, as /proc writes them (hexadecimal, by commas), have one in common.</summary>
    internal static bool Overlap(string one, string other)
    {
        var (a, b) = (Bits(one), Bits(other));
        // Where a system has no masks, all share all.
        return a.Length == 0 || b.Length == 0 || !(Number(a) & Number(b)).IsZero;

        static string Bits(string mask) => mask.Replace(",", "", StringComparison.Ordinal).Trim();

        static System.Numerics.BigInteger Number(string bits) =>
            System.Numerics.BigInteger.Parse("0" + bits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private static string Mask()
    {
        const string Status = "/proc/self/status",
            Key = "Cpus_allowed:";
        return File.Exists(Status)
            ? File.ReadLines(Status).Where(l => l.StartsWith(Key, StringComparison.Ordinal)).Select(l => l[Key.Length..].Trim()).FirstOrDefault() ?? ""
            : "";
    }
}
