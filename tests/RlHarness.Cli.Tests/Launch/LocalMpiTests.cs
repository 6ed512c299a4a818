using RlHarness.Cli.Launch;
using RlHarness.Core.Errors;

namespace RlHarness.Cli.Tests.Launch;

[Trait("kind", "contract")]
public sealed class LocalMpiTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string With(params string[] launchers)
    {
        foreach (var launcher in launchers)
            File.WriteAllText(Path.Combine(_folder.Path, launcher), "");
        return _folder.Path;
    }

    [Fact]
    public void Open_MPI_is_started_unbound_and_may_have_more_ranks_than_cores() =>
        Assert.Equal(
            [
                Path.Combine(_folder.Path, "mpirun.openmpi"),
                "-np",
                "3",
                "--bind-to",
                "none",
                "--map-by",
                "slot:OVERSUBSCRIBE",
                "rlharness",
                "train",
                "a.yaml",
            ],
            LocalMpi.Line(3, null, ["rlharness", "train", "a.yaml"], With("mpirun.openmpi", "mpiexec.mpich")).Words
        );

    [Fact]
    public void MPICH_is_started_where_it_is_asked_for_or_alone_here()
    {
        string[] words = [Path.Combine(_folder.Path, "mpiexec.mpich"), "-n", "2", "rlharness"];
        Assert.Equal(words, LocalMpi.Line(2, null, ["rlharness"], With("mpiexec.mpich")).Words);
        Assert.Equal(words, LocalMpi.Line(2, "mpich", ["rlharness"], With("mpirun.openmpi")).Words);
    }

    [Theory]
    [InlineData(null, "none of mpirun.openmpi, mpirun, mpiexec.mpich, mpiexec.hydra in PATH")]
    [InlineData("openmpi", "none of mpirun.openmpi, mpirun in PATH")]
    [InlineData("mpich", "none of mpiexec.mpich, mpiexec.hydra in PATH")]
    public void A_machine_without_a_launcher_says_what_was_looked_for(string? mpi, string found)
    {
        var error = Assert.Throws<HarnessException>(() => LocalMpi.Line(2, mpi, ["rlharness"], _folder.Path));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains(found, error.Message, StringComparison.Ordinal);
    }
}
