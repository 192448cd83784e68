"""A pyfunc of MLflow. ``python mlflow_model.py FOLDER`` saves it; ``mlflow models serve -m FOLDER`` serves it."""

import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from graph import Graph


class Model(mlflow.pyfunc.PythonModel):
    """The graph."""

    def load_context(self, context: Any) -> None:
        self.graph = Graph()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """The answers."""
        return self.graph.numbers(model_input[self.graph.names].to_numpy())


if __name__ == "__main__":
    here = Path(__file__).parent
    mlflow.pyfunc.save_model(
        sys.argv[1], python_model=Model(), code_paths=[str(here / "graph.py")], pip_requirements=[]
    )
